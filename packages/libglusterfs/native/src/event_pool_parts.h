// The event pool's own: what its parts (event_pool.c, event_pool_framing.c, event_pool_threads.c) share.
#pragma once
#include "bulk_threads.h"
#include "brief_wait.h"
#include "event_pool.h"
#include "ping_answer.h"
#include "rpc_payload.h"
#include "stream_socket.h"

#define STAGING_SIZE 65536
// In the epoll set, in place of an id: threads have ended jobs.
#define BULK_READY UINT32_MAX

// CLOSING: closed but for what a thread still does with it.
enum kind { FREE = 0, CONNECTING, STREAM, LISTENER, WATCHED, CLOSING };

struct connection {
  enum kind kind;
  int fd;
  int paused;
  uint32_t watched_for;  // events of the epoll set
  // What a writev has left to send, and how many bytes of it have been sent since.
  struct iovec *rest;
  int rest_count, rest_at;
  uint32_t rest_sent;
  // Goes along with the first byte of the rest; -1: none, or gone.
  int rest_descriptor;
  // A unix socket: what came along with its bytes, oldest first.
  int local;
  struct descriptors descriptors;
  struct socket_options options;
  // Framing. `mark` collects 4 bytes; then `fragment_left` bytes belong to the record.
  uint8_t mark[4];
  uint8_t mark_length;
  uint8_t last_fragment;
  uint8_t decided;  // whether the payload's place is known (or known not to exist)
  uint32_t fragment_left;
  uint32_t total;  // bytes of the record so far announced
  // The record so far: header (grown as bytes arrive) and payload page.
  uint8_t *head;
  uint32_t head_length;
  uint32_t head_capacity;
  uint8_t *page;
  int32_t page_index;
  uint32_t page_length;
  struct read_calls reads;
  struct answered_pings answered;
  // Large payloads that are with a thread: the rest of the page, and `rest`.
  struct bulk_socket *bulk;
  uint8_t bulk_receiving, bulk_sending;
  uint8_t unwatched;  // out of the epoll set
  uint8_t abandoned;  // CLOSING: by the caller
  int close_error;    // CLOSING: by us
  // WATCHED: another's fd, that only wakes us.
  watch_ready ready;
  void *ready_context;
};

struct event_pool {
  int epfd;
  struct brief_wait waiting;
  struct connection *connections;
  int capacity;
  int *free_ids;
  int free_count;
  page_source source;
  void *context;
  bulk_threads *bulk;  // NULL until threads are asked for
  struct event *events;
  size_t event_count, event_capacity;
  uint8_t *bytes;
  size_t byte_count, byte_capacity;
  uint8_t staging[STAGING_SIZE];
};

// NULL: no such id.
struct connection *pool_connection(const event_pool *pool, int id);
// Tells the epoll set what the connection waits for now.
void pool_rearm(event_pool *pool, int id);
// Takes it out of the epoll set until the next pool_rearm: without interest, the end of the peer would still be told, again and again.
void pool_unwatch(event_pool *pool, struct connection *c);
// One more event of the batch.
struct event *pool_emit(event_pool *pool, int type, int id);
// Closes it for this reason, at once or as soon as no thread works for it, with an event.
void pool_closed(event_pool *pool, int id, int error);
// Reads what is there.
void pool_receive(event_pool *pool, int id);

// Feeds received bytes to the framer. Returns 0, or -errno to close the connection.
int framing_consume(event_pool *pool, int id, const uint8_t *bytes, size_t length);
// The record is whole. Returns 0, or -errno to close the connection.
int framing_finish(event_pool *pool, int id);
// 1 when the socket took all of it. Not while the rest of another record has to follow!
int framing_send_pong(const struct connection *c, uint32_t xid);

// A gather that is worth it. Whether it was. Both only with `pool->bulk`.
int pool_leave_to_threads(event_pool *pool, int id, const struct iovec *vector, int count);
// The rest of a payload's page, when it is worth it. Whether it was.
int pool_leave_rest_to_threads(event_pool *pool, int id);
// Takes the jobs that threads have ended.
void pool_bulk_ended(event_pool *pool);
