// Encodes and decodes with every level that is linked in, and prints what came out as one number for each level:
// the same everywhere, or one of them is wrong. Built for this machine and, to be run by an emulator, for another.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rs.h"

enum { STRIPES = 3, MATRICES = 8 };

static uint64_t state = 88172645463325252u;
static uint8_t random_byte(void) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (uint8_t)(state >> 24);
}

static uint64_t sum(uint64_t hash, const uint8_t *bytes, size_t length) {
  for (size_t i = 0; i < length; i++) hash = (hash ^ bytes[i]) * 1099511628211u;
  return hash;
}

static uint64_t run(const struct rs_codec *codec) {
  static uint8_t data[RS_K_MAX * RS_CHUNK * STRIPES + 64], fragments[RS_BRICKS_MAX][RS_CHUNK * STRIPES + 64], back[sizeof data];
  uint64_t hash = 14695981039346656037u;
  state = 88172645463325252u;
  for (unsigned k = 2; k <= RS_K_MAX; k++) {
    // Aligned, and not.
    for (unsigned shift = 0; shift < 2; shift++) {
      size_t size = (size_t)k * RS_CHUNK * STRIPES;
      for (size_t i = 0; i < size; i++) data[shift + i] = random_byte();
      int32_t brick[RS_BRICKS_MAX];
      uint8_t *out[RS_BRICKS_MAX];
      for (int i = 0; i < RS_BRICKS_MAX; i++) {
        brick[i] = i;
        out[i] = fragments[i] + shift;
      }
      codec->encode(k, RS_BRICKS_MAX, brick, data + shift, STRIPES, out);
      for (int i = 0; i < RS_BRICKS_MAX; i++) hash = sum(hash, out[i], RS_CHUNK * STRIPES);
      for (int n = 0; n < MATRICES; n++) {
        uint8_t matrix[RS_K_MAX * RS_K_MAX];
        const uint8_t *in[RS_K_MAX];
        for (unsigned i = 0; i < k * k; i++) matrix[i] = n == 0 ? (uint8_t)i : random_byte();
        for (unsigned i = 0; i < k; i++) in[i] = out[(i * 7 + (unsigned)n) % RS_BRICKS_MAX];
        memset(back, 0, sizeof back);
        codec->decode(k, matrix, in, STRIPES, back + shift);
        hash = sum(hash, back + shift, size);
      }
    }
  }
  return hash;
}

int main(void) {
#ifdef __aarch64__
  printf("NEON %016llx\n", (unsigned long long)run(&rs_neon));
#endif
  printf("C %016llx\n", (unsigned long long)run(&rs_portable));
  return 0;
}
