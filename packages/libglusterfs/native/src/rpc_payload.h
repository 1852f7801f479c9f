// Where the payload of a GlusterFS record begins: WRITE calls and READ replies (spec/rpc-wire.md, §5.3).
#pragma once
#include <stddef.h>
#include <stdint.h>

#define RPC_PAYLOAD_NONE (-1)     // no payload in this record
#define RPC_PAYLOAD_UNKNOWN (-2)  // more bytes are needed to tell

// The xids of READ calls that were sent on a connection and not yet answered: only they tell that a reply is READ's.
struct read_calls {
  uint32_t *slots;    // open addressing, 0: empty; xid stored + 1
  uint8_t *versions;  // 1: version 400, 2: version 330
  uint32_t capacity;
  uint32_t count;
};

void read_calls_clear(struct read_calls *calls);
// Looks at the header of a call that is being sent, and remembers it if it is a READ.
void read_calls_note(struct read_calls *calls, const uint8_t *record, size_t length);

// The call is answered.
void read_calls_forget(struct read_calls *calls, uint32_t xid);

// Offset of the payload in the record whose first `length` bytes are given; it may lie beyond them.
int64_t rpc_payload_offset(const uint8_t *record, size_t length, const struct read_calls *calls);
