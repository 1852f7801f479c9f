// The event pool: an epoll set of stream sockets that carry ONC RPC records. It frames what comes in and reports it as
// a list of events; it holds no send queues and no policy. Single-threaded: all calls from the loop's thread,
// but for one, which says so.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct event_pool event_pool;

enum event_type {
  EVENT_CONNECT = 1,  // the connection stands
  EVENT_ACCEPT = 2,   // value: the new connection's id
  EVENT_RECORD = 3,   // offset, length: in the batch's bytes; page: index of the payload's page or -1; value: payload bytes
  EVENT_WRITABLE = 4, // what was left of a writev has been sent; value: its bytes
  EVENT_CLOSE = 5,    // value: errno, 0 at the end of the stream; the id is free from now on
  EVENT_RELEASED = 6, // after a close that returned 1: the memory is the caller's again, and so is `page`; the id is free from now on
  EVENT_RETURNED = 7, // of a unix socket: value is the first word of a record of two, the second of which is RETURNED_RECORD
};

// "GLDN": a payload on loan is given back (src/platform/lent-payload.ts). It comes with each large payload, and has nothing to say but its number.
#define RETURNED_RECORD 0x474c444eu

struct event {
  int32_t type;
  int32_t id;
  int32_t offset;
  int32_t length;
  int32_t page;
  int32_t value;
};

// What one drain of the pool found. Memory belongs to the pool and is good until the next drain.
struct event_batch {
  struct event *events;
  size_t count;
  uint8_t *bytes;
  size_t length;
};

struct socket_options {
  int keepalive_time_s;  // 0: no keepalive
  int keepalive_interval_s;
  int keepalive_count;
  int user_timeout_ms;  // 0: the kernel's own
  int window_size;      // 0: leave alone
  uint32_t record_size_max;
  int answer_pings;  // of connections that a listener accepts: GF-DUMP's PING never reaches the caller
};

// Gives a page of at least `size` bytes for a payload and its index, or NULL.
typedef uint8_t *(*page_source)(void *context, size_t size, int32_t *index);

event_pool *event_pool_new(page_source source, void *context);
void event_pool_free(event_pool *pool);
int event_pool_fd(const event_pool *pool);

// The following return an id ≥ 0, or -errno.
// `address`: struct sockaddr. `bind_from` > 0: bind that port downwards to `bind_to` (skipping taken ones).
int event_pool_connect(event_pool *pool, const void *address, size_t address_length, const void *bind_address, size_t bind_length,
                       int bind_from, int bind_to, const struct socket_options *options);
int event_pool_listen(event_pool *pool, const void *address, size_t address_length, int backlog, const struct socket_options *options);

// Another's fd in the same epoll set: `ready` is called within a drain when it can be read, and reads from it. Pause and
// close work as for a connection; close leaves the fd open. An id, or -errno.
typedef void (*watch_ready)(void *context);
int event_pool_watch(event_pool *pool, int fd, watch_ready ready, void *context);

struct iovec;
// Bytes written now, or -errno. What the socket didn't take, or has been left to a thread, is sent when it can be, and EVENT_WRITABLE follows when all is; until
// then the memory has to stay, and no more may be written. `descriptor` ≥ 0 goes along with the first byte (a unix socket's only); it is the pool's from now on.
ssize_t event_pool_writev(event_pool *pool, int id, const struct iovec *vector, int count, int descriptor);
// The first of the descriptors that came along with the bytes of this connection, the caller's from now on; -1: none.
int event_pool_take_descriptor(event_pool *pool, int id);
// A record that is being sent begins with these bytes: READ calls are remembered, so that their answers' payload is found.
void event_pool_sent(event_pool *pool, int id, const uint8_t *record, size_t length);
void event_pool_pause(event_pool *pool, int id, int paused);
// Closes now, without an EVENT_CLOSE. 0, or 1 when a thread still works for it: then an EVENT_RELEASED follows, soon, and till then all memory has to stay.
// Ask event_pool_held_page first: after a 0 that page has no owner.
int event_pool_close(event_pool *pool, int id);
// The page that a half-received record of this connection holds, or -1.
int32_t event_pool_held_page(const event_pool *pool, int id);
// The socket's own fd, for getsockname and getpeername; -EBADF for an unknown id.
int event_pool_socket(const event_pool *pool, int id);

// How many threads besides the loop's move large payloads; 0, as it begins, is none. How many there are now, fewer when the system gives no more; or -errno.
int event_pool_set_threads(event_pool *pool, int count);

// Answers the pings that lie unread in the sockets of those connections whose `answer_pings` is set. From another thread, while the
// loop's thread is known to be elsewhere.
void event_pool_answer_pings(event_pool *pool);

// Waits until something is ready (`timeout_ms` 0: not at all, -1: for ever) and handles it. Returns 0 or -errno; a signal ends
// the wait with an empty batch.
int event_pool_drain(event_pool *pool, int timeout_ms, struct event_batch *batch);

#ifdef __cplusplus
}
#endif
