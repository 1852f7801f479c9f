#include "rpc_payload.h"

#include <stdlib.h>
#include <string.h>

#define FOP_PROGRAM 1298437u
#define FOP_V4 400u
#define FOP_V330 330u
#define PROC_READ 12u
#define PROC_WRITE 13u
#define CALLS_MAX (1u << 20)

static uint32_t word(const uint8_t *bytes) {
  return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static uint64_t padded(uint32_t length) { return ((uint64_t)length + 3) & ~(uint64_t)3; }

void read_calls_clear(struct read_calls *calls) {
  free(calls->slots);
  free(calls->versions);
  memset(calls, 0, sizeof *calls);
}

static uint32_t place(const struct read_calls *calls, uint32_t key) { return (key * 2654435761u) & (calls->capacity - 1); }

static void insert(struct read_calls *calls, uint32_t key, uint8_t version) {
  uint32_t i = place(calls, key);
  while (calls->slots[i] != 0 && calls->slots[i] != key) i = (i + 1) & (calls->capacity - 1);
  if (calls->slots[i] == 0) calls->count++;
  calls->slots[i] = key;
  calls->versions[i] = version;
}

static int grow(struct read_calls *calls) {
  struct read_calls bigger = {.capacity = calls->capacity ? calls->capacity * 2 : 64};
  if (bigger.capacity > CALLS_MAX) return -1;
  bigger.slots = calloc(bigger.capacity, sizeof *bigger.slots);
  bigger.versions = calloc(bigger.capacity, 1);
  if (!bigger.slots || !bigger.versions) {
    read_calls_clear(&bigger);
    return -1;
  }
  for (uint32_t i = 0; i < calls->capacity; i++)
    if (calls->slots[i]) insert(&bigger, calls->slots[i], calls->versions[i]);
  free(calls->slots);
  free(calls->versions);
  *calls = bigger;
  return 0;
}

void read_calls_note(struct read_calls *calls, const uint8_t *record, size_t length) {
  if (length < 24 || word(record + 4) != 0 || word(record + 12) != FOP_PROGRAM || word(record + 20) != PROC_READ) return;
  uint32_t version = word(record + 16);
  if (version != FOP_V4 && version != FOP_V330) return;
  uint32_t key = word(record) + 1;
  if (key == 0) return;
  // A call that isn't remembered is only slower: its answer is taken in one piece.
  if (calls->count * 2 >= calls->capacity && grow(calls) < 0) return;
  insert(calls, key, version == FOP_V4 ? 1 : 2);
}

void read_calls_forget(struct read_calls *calls, uint32_t xid) {
  uint32_t key = xid + 1;
  if (calls->count == 0 || key == 0) return;
  uint32_t mask = calls->capacity - 1;
  uint32_t i = place(calls, key);
  while (calls->slots[i] != key) {
    if (calls->slots[i] == 0) return;
    i = (i + 1) & mask;
  }
  // Close the gap, so that the chain of probes stays whole.
  uint32_t hole = i;
  calls->slots[hole] = 0;
  calls->count--;
  for (uint32_t j = (hole + 1) & mask; calls->slots[j] != 0; j = (j + 1) & mask) {
    uint32_t home = place(calls, calls->slots[j]);
    if (((j - home) & mask) < ((j - hole) & mask)) continue;
    calls->slots[hole] = calls->slots[j];
    calls->versions[hole] = calls->versions[j];
    calls->slots[j] = 0;
    hole = j;
  }
}

static uint8_t peek(const struct read_calls *calls, uint32_t xid) {
  uint32_t key = xid + 1;
  if (calls->count == 0 || key == 0) return 0;
  uint32_t mask = calls->capacity - 1;
  for (uint32_t i = place(calls, key); calls->slots[i] != 0; i = (i + 1) & mask)
    if (calls->slots[i] == key) return calls->versions[i];
  return 0;
}

static int64_t write_call(const uint8_t *record, size_t length) {
  uint64_t at = 24;
  if (length < at + 8) return RPC_PAYLOAD_UNKNOWN;
  at += 8 + padded(word(record + 28));  // credential
  if (length < at + 8) return RPC_PAYLOAD_UNKNOWN;
  at += 8 + padded(word(record + at + 4));  // verifier
  uint32_t fixed = word(record + 16) == FOP_V4 ? 52 : 44;
  if (length < at + 44) return RPC_PAYLOAD_UNKNOWN;
  return (int64_t)(at + fixed + padded(word(record + at + 40)));
}

static int64_t read_reply(const uint8_t *record, size_t length, const struct read_calls *calls) {
  uint8_t version = peek(calls, word(record));
  if (version == 0) return RPC_PAYLOAD_NONE;
  if (length < 24) return RPC_PAYLOAD_UNKNOWN;
  if (word(record + 8) != 0 || word(record + 16) != 0 || word(record + 20) != 0) return RPC_PAYLOAD_NONE;
  uint64_t size_at = version == 1 ? 24 + 160 : 24 + 112;
  uint64_t fixed = version == 1 ? 24 + 172 : 24 + 116;
  if (length < size_at + 4) return RPC_PAYLOAD_UNKNOWN;
  return (int64_t)(fixed + padded(word(record + size_at)));
}

int64_t rpc_payload_offset(const uint8_t *record, size_t length, const struct read_calls *calls) {
  if (length < 24) return RPC_PAYLOAD_UNKNOWN;
  uint32_t message = word(record + 4);
  if (message == 1) return read_reply(record, length, calls);
  if (message != 0 || word(record + 12) != FOP_PROGRAM || word(record + 20) != PROC_WRITE) return RPC_PAYLOAD_NONE;
  uint32_t version = word(record + 16);
  if (version != FOP_V4 && version != FOP_V330) return RPC_PAYLOAD_NONE;
  return write_call(record, length);
}
