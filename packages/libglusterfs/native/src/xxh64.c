/* XXH64, from its specification (github.com/Cyan4973/xxHash, doc/xxhash_spec.md). Reads little endian. */
#include <string.h>

#include "syscalls.h"

static const uint64_t P1 = 0x9E3779B185EBCA87ULL, P2 = 0xC2B2AE3D27D4EB4FULL, P3 = 0x165667B19E3779F9ULL, P4 = 0x85EBCA77C2B2AE63ULL,
                      P5 = 0x27D4EB2F165667C5ULL;

static uint64_t rotate(uint64_t x, int bits) { return (x << bits) | (x >> (64 - bits)); }

static uint64_t read64(const unsigned char *p) {
  uint64_t x;
  memcpy(&x, p, 8);
  return x;
}

static uint32_t read32(const unsigned char *p) {
  uint32_t x;
  memcpy(&x, p, 4);
  return x;
}

static uint64_t lane(uint64_t acc, uint64_t input) { return rotate(acc + input * P2, 31) * P1; }

static uint64_t merge(uint64_t acc, uint64_t value) { return (acc ^ lane(0, value)) * P1 + P4; }

uint64_t gts_xxh64(const void *data, size_t length, uint64_t seed) {
  const unsigned char *p = data;
  const unsigned char *end = p + length;
  uint64_t h;
  if (length >= 32) {
    uint64_t a = seed + P1 + P2, b = seed + P2, c = seed, d = seed - P1;
    for (; end - p >= 32; p += 32) {
      a = lane(a, read64(p));
      b = lane(b, read64(p + 8));
      c = lane(c, read64(p + 16));
      d = lane(d, read64(p + 24));
    }
    h = rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18);
    h = merge(merge(merge(merge(h, a), b), c), d);
  } else {
    h = seed + P5;
  }
  h += length;
  for (; end - p >= 8; p += 8) h = rotate(h ^ lane(0, read64(p)), 27) * P1 + P4;
  for (; end - p >= 4; p += 4) h = rotate(h ^ (read32(p) * P1), 23) * P2 + P3;
  for (; p < end; p++) h = rotate(h ^ (*p * P5), 11) * P1;
  h = (h ^ (h >> 33)) * P2;
  h = (h ^ (h >> 29)) * P3;
  return h ^ (h >> 32);
}
