// The event pool's framing: records out of bytes, payloads into pages of their own.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "event_pool_parts.h"

#define MARK_LAST 0x80000000u
// Payloads smaller than this aren't worth a page of their own.
#define PAYLOAD_MIN 4096u
// Where the payload begins must be known after this many bytes of a record, or it is taken as one piece.
#define HEADER_MAX 8192u
// A buffer for headers is kept between records up to this size: each of ten thousand idle connections may have one.
#define HEAD_KEPT_MAX HEADER_MAX

static int append_bytes(event_pool *pool, const uint8_t *bytes, size_t length) {
  if (pool->byte_count + length > pool->byte_capacity) {
    size_t capacity = pool->byte_capacity ? pool->byte_capacity : 65536;
    while (capacity < pool->byte_count + length) capacity *= 2;
    uint8_t *grown = realloc(pool->bytes, capacity);
    if (!grown) return -ENOMEM;
    pool->bytes = grown;
    pool->byte_capacity = capacity;
  }
  memcpy(pool->bytes + pool->byte_count, bytes, length);
  pool->byte_count += length;
  return 0;
}

static int append_head(struct connection *c, const uint8_t *bytes, uint32_t length) {
  if (c->head_length + length > c->head_capacity) {
    // Doubling as bytes arrive: the announced length alone never allocates.
    uint32_t capacity = c->head_capacity ? c->head_capacity : 512;
    while (capacity < c->head_length + length) capacity = capacity > UINT32_MAX / 2 ? UINT32_MAX : capacity * 2;
    uint8_t *grown = realloc(c->head, capacity);
    if (!grown) return -ENOMEM;
    c->head = grown;
    c->head_capacity = capacity;
  }
  memcpy(c->head + c->head_length, bytes, length);
  c->head_length += length;
  return 0;
}

static void next_record(struct connection *c) {
  c->head_length = c->page_length = 0;
  if (c->head_capacity > HEAD_KEPT_MAX) {
    free(c->head);
    c->head = NULL;
    c->head_capacity = 0;
  }
  c->page = NULL;
  c->page_index = -1;
  c->decided = 0;
  c->total = 0;
}

static uint32_t word(const uint8_t *bytes) { return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3]; }

int framing_send_pong(const struct connection *c, uint32_t xid) {
  uint8_t reply[PING_REPLY_SIZE];
  ping_reply(reply, xid);
  int room = 0;
  // All or nothing: with a full socket, the caller's queue is the place to wait.
  if (ioctl(c->fd, TIOCOUTQ, &room) == 0) {
    int size = 0;
    socklen_t length = sizeof size;
    if (getsockopt(c->fd, SOL_SOCKET, SO_SNDBUF, &size, &length) == 0 && room > size / 4) return 0;
  }
  return send(c->fd, reply, sizeof reply, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)sizeof reply;
}

// A PING that needs the caller no more.
static int is_answered(struct connection *c) {
  if (!c->options.answer_pings || !ping_is_call(c->head, c->head_length)) return 0;
  uint32_t xid = ping_xid(c->head);
  return answered_pings_take(&c->answered, xid) || (!c->rest && framing_send_pong(c, xid));
}

int framing_finish(event_pool *pool, int id) {
  struct connection *c = &pool->connections[id];
  if (is_answered(c)) {
    next_record(c);
    return 0;
  }
  if (c->local && c->head_length == 8 && !c->page && word(c->head + 4) == RETURNED_RECORD) {
    pool_emit(pool, EVENT_RETURNED, id)->value = (int32_t)word(c->head);
    next_record(c);
    return 0;
  }
  size_t offset = pool->byte_count;
  int error = append_bytes(pool, c->head, c->head_length);
  if (error) return error;
  struct event *event = pool_emit(pool, EVENT_RECORD, id);
  event->offset = (int32_t)offset;
  event->length = (int32_t)c->head_length;
  event->page = c->page_index;
  event->value = (int32_t)c->page_length;
  if (c->head_length >= 8 && c->head[7] == 1) {
    read_calls_forget(&c->reads, word(c->head));
  }
  next_record(c);
  return 0;
}

// Decides, once enough of the record is here, whether and where a payload begins; then gets a page for it.
static int place_payload(event_pool *pool, struct connection *c) {
  uint32_t rest = c->fragment_left;  // of this fragment, not yet consumed
  if (!c->last_fragment || c->total < PAYLOAD_MIN) {
    c->decided = 1;
    return 0;
  }
  int64_t begin = rpc_payload_offset(c->head, c->head_length, &c->reads);
  if (begin == RPC_PAYLOAD_UNKNOWN && c->head_length < HEADER_MAX) return 0;
  c->decided = 1;
  if (begin < 0 || begin > c->head_length) {
    // A header longer than what came with the first bytes: wait for the rest of it as long as that is reasonable.
    if (begin > c->head_length && begin <= HEADER_MAX && (uint64_t)begin <= c->total) c->decided = 0;
    return 0;
  }
  uint32_t early = c->head_length - (uint32_t)begin;
  uint32_t size = early + rest;
  if (size < PAYLOAD_MIN) return 0;
  int32_t index = -1;
  uint8_t *page = pool->source(pool->context, size, &index);
  if (!page) return -ENOMEM;
  c->page = page;
  c->page_index = index;
  memcpy(page, c->head + begin, early);
  c->page_length = early;
  c->head_length = (uint32_t)begin;
  return 0;
}

int framing_consume(event_pool *pool, int id, const uint8_t *bytes, size_t length) {
  struct connection *c = &pool->connections[id];
  while (length > 0) {
    if (c->mark_length < 4) {
      c->mark[c->mark_length++] = *bytes++;
      length--;
      if (c->mark_length < 4) continue;
      uint32_t mark = word(c->mark);
      c->last_fragment = (mark & MARK_LAST) != 0;
      c->fragment_left = mark & ~MARK_LAST;
      if (c->fragment_left >= c->options.record_size_max - c->total) return -EMSGSIZE;
      c->total += c->fragment_left;
    }
    uint32_t take = c->fragment_left < length ? c->fragment_left : (uint32_t)length;
    if (c->page) {
      memcpy(c->page + c->page_length, bytes, take);
      c->page_length += take;
    } else {
      // Up to where the payload may begin, header bytes come in small pieces, so that little is copied twice.
      if (!c->decided && take > HEADER_MAX && c->total >= PAYLOAD_MIN) take = HEADER_MAX;
      int error = append_head(c, bytes, take);
      if (error) return error;
    }
    bytes += take;
    length -= take;
    c->fragment_left -= take;
    if (!c->decided && !c->page && c->fragment_left > 0) {
      int error = place_payload(pool, c);
      if (error) return error;
    }
    if (c->fragment_left == 0) {
      c->mark_length = 0;
      if (c->last_fragment) {
        if (!c->decided && !c->page && c->total >= PAYLOAD_MIN) {
          int error = place_payload(pool, c);
          if (error) return error;
        }
        int error = framing_finish(pool, id);
        if (error) return error;
      }
    }
  }
  return 0;
}
