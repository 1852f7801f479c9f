#include "ping_answer.h"

#include <stdlib.h>
#include <string.h>

#define MARK_LAST 0x80000000u

static uint32_t word(const uint8_t *bytes) { return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3]; }

int ping_is_call(const uint8_t *record, size_t length) {
  // CALL, RPC version 2, GF-DUMP, version 1, procedure 2.
  static const uint8_t call[PING_CALL_SIZE - 4] = {0, 0, 0, 0, 0, 0, 0, 2, 0x07, 0x5b, 0xb8, 0x6d, 0, 0, 0, 1, 0, 0, 0, 2};
  return length >= PING_CALL_SIZE && memcmp(record + 4, call, sizeof call) == 0;
}

uint32_t ping_xid(const uint8_t *record) { return word(record); }

void ping_reply(uint8_t reply[PING_REPLY_SIZE], uint32_t xid) {
  // REPLY, accepted, no verifier, success; op_ret 0, op_errno 0, an empty dict.
  memset(reply, 0, PING_REPLY_SIZE);
  reply[0] = 0x80;
  reply[3] = PING_REPLY_SIZE - 4;
  for (int i = 0; i < 4; i++) reply[4 + i] = (uint8_t)(xid >> (24 - 8 * i));
  reply[11] = 1;
}

void answered_pings_clear(struct answered_pings *answered) {
  free(answered->xids);
  *answered = (struct answered_pings){0};
}

int answered_pings_has(const struct answered_pings *answered, uint32_t xid) {
  for (uint32_t i = 0; i < answered->count; i++)
    if (answered->xids[i] == xid) return 1;
  return 0;
}

int answered_pings_add(struct answered_pings *answered, uint32_t xid) {
  if (answered->count == answered->capacity) {
    uint32_t capacity = answered->capacity ? answered->capacity * 2 : 16;
    if (capacity > PINGS_ANSWERED_MAX) return -1;
    uint32_t *xids = realloc(answered->xids, capacity * sizeof *xids);
    if (!xids) return -1;
    answered->xids = xids;
    answered->capacity = capacity;
  }
  answered->xids[answered->count++] = xid;
  return 0;
}

int answered_pings_take(struct answered_pings *answered, uint32_t xid) {
  for (uint32_t i = 0; i < answered->count; i++) {
    if (answered->xids[i] != xid) continue;
    answered->xids[i] = answered->xids[--answered->count];
    return 1;
  }
  return 0;
}

void ping_scan(const uint8_t *bytes, size_t length, size_t at, int (*found)(void *context, uint32_t xid), void *context) {
  while (at < length && length - at >= 4) {
    uint32_t mark = word(bytes + at);
    uint32_t size = mark & ~MARK_LAST;
    at += 4;
    if (!(mark & MARK_LAST)) return;
    if (size <= length - at && ping_is_call(bytes + at, size) && found(context, ping_xid(bytes + at)) != 0) return;
    if (size > length - at) return;
    at += size;
  }
}
