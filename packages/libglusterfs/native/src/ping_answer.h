// PING of GF-DUMP (spec/rpc-wire.md, §14.1), answered below JavaScript: a peer must not think a process dead that waits for its disk.
#pragma once
#include <stddef.h>
#include <stdint.h>

#define PING_CALL_SIZE 24  // of a call's header, what tells that it is a PING
#define PING_REPLY_SIZE 40
// Pings of one connection that were answered while they still lay in the socket. A peer sends one a second at most.
#define PINGS_ANSWERED_MAX 65536

// Answered already, by xid: to be dropped when they are read.
struct answered_pings {
  uint32_t *xids;
  uint32_t count;
  uint32_t capacity;
};

void answered_pings_clear(struct answered_pings *answered);

int ping_is_call(const uint8_t *record, size_t length);
uint32_t ping_xid(const uint8_t *record);
// The whole reply, record mark included.
void ping_reply(uint8_t reply[PING_REPLY_SIZE], uint32_t xid);

int answered_pings_has(const struct answered_pings *answered, uint32_t xid);
// 0, or -1 when there is no room or no memory.
int answered_pings_add(struct answered_pings *answered, uint32_t xid);
// 1 if it was there.
int answered_pings_take(struct answered_pings *answered, uint32_t xid);

// Walks records from `at`, which is where one begins, and calls `found` for each whole PING. Stops at a record of several fragments
// and when `found` returns other than 0.
void ping_scan(const uint8_t *bytes, size_t length, size_t at, int (*found)(void *context, uint32_t xid), void *context);
