// The event pool and its threads (bulk_threads.h): which payloads are left to them, and what follows when they have ended; and the pings that are answered
// beside the loop.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "event_pool_parts.h"

// How far into a socket's unread bytes pings are looked for.
#define PEEK_MAX (8u << 20)

// The connection's place among the threads, if there are any.
static struct bulk_socket *bulk_of(event_pool *pool, int id) {
  struct connection *c = &pool->connections[id];
  if (bulk_threads_count(pool->bulk) == 0) return NULL;
  if (!c->bulk) c->bulk = bulk_socket_new(pool->bulk, c->fd, id);
  return c->bulk;
}

int pool_leave_to_threads(event_pool *pool, int id, const struct iovec *vector, int count) {
  size_t size = 0;
  for (int i = 0; i < count; i++) size += vector[i].iov_len;
  struct bulk_socket *bulk = size > BULK_MIN ? bulk_of(pool, id) : NULL;
  if (!bulk) return 0;
  struct connection *c = &pool->connections[id];
  c->rest = malloc((size_t)count * sizeof *c->rest);
  if (!c->rest) return 0;
  memcpy(c->rest, vector, (size_t)count * sizeof *c->rest);
  if (bulk_send(pool->bulk, bulk, c->rest, count) == 0) return c->bulk_sending = 1;
  free(c->rest);
  c->rest = NULL;
  return 0;
}

int pool_leave_rest_to_threads(event_pool *pool, int id) {
  struct connection *c = &pool->connections[id];
  struct bulk_socket *bulk = bulk_of(pool, id);
  if (!bulk || bulk_receive(pool->bulk, bulk, c->page + c->page_length, c->fragment_left) != 0) return 0;
  c->bulk_receiving = 1;
  pool_rearm(pool, id);
  return 1;
}

// A thread has filled the page, or found that it can't.
static void bulk_received(event_pool *pool, int id, const struct bulk_job *job) {
  struct connection *c = &pool->connections[id];
  c->bulk_receiving = 0;
  c->page_length += (uint32_t)job->moved;
  c->fragment_left -= (uint32_t)job->moved;
  if (c->kind == CLOSING || job->error || job->ended) return pool_closed(pool, id, job->error);
  c->mark_length = 0;
  int error = framing_finish(pool, id);
  if (error) return pool_closed(pool, id, -error);
  // The next record has begun as a rule, and if its rest is left to a thread as well, the epoll set need not know.
  if (!c->paused) pool_receive(pool, id);
  if (pool->connections[id].kind == STREAM) pool_rearm(pool, id);
}

static void bulk_sent(event_pool *pool, int id, const struct bulk_job *job) {
  struct connection *c = &pool->connections[id];
  c->bulk_sending = 0;
  free(c->rest);
  c->rest = NULL;
  if (c->kind == CLOSING || job->error || job->ended) return pool_closed(pool, id, job->error);
  pool_emit(pool, EVENT_WRITABLE, id)->value = (int32_t)job->moved;
}

void pool_bulk_ended(event_pool *pool) {
  for (struct bulk_job *job = bulk_take(pool->bulk), *next; job; job = next) {
    next = job->next;
    // What has been moved is counted before the job is used again.
    struct bulk_job ended = *job;
    if (job == &job->socket->jobs[BULK_RECEIVE]) bulk_received(pool, job->socket->id, &ended);
    else bulk_sent(pool, job->socket->id, &ended);
  }
}

int event_pool_set_threads(event_pool *pool, int count) {
  if (!pool->bulk) {
    if (count == 0) return 0;
    pool->bulk = bulk_threads_new();
    if (!pool->bulk) return -ENOMEM;
    // Edge-triggered: it need not be read.
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u32 = BULK_READY};
    if (epoll_ctl(pool->epfd, EPOLL_CTL_ADD, bulk_threads_fd(pool->bulk), &event) < 0) {
      int error = errno;
      bulk_threads_free(pool->bulk);
      pool->bulk = NULL;
      return -error;
    }
  }
  return bulk_threads_set(pool->bulk, count);
}

// Whether the rest of a record has to follow what has been sent. Threads are held.
static int is_amid_record(const struct connection *c) {
  if (!c->bulk_sending) return c->rest != NULL;
  const struct bulk_job *job = &c->bulk->jobs[BULK_SEND];
  return job->state != BULK_DONE || job->at < job->count;
}

static int pong_unread(void *context, uint32_t xid) {
  struct connection *c = context;
  if (answered_pings_has(&c->answered, xid)) return 0;
  // Remembered first: a second answer would be one too many.
  if (answered_pings_add(&c->answered, xid) != 0) return -1;
  if (!is_amid_record(c) && framing_send_pong(c, xid)) return 0;
  answered_pings_take(&c->answered, xid);
  return -1;
}

// Threads are held.
static void answer_unread_pings(struct connection *c) {
  // While a thread is receiving, where the next record begins can't be told.
  const struct bulk_job *job = c->bulk_receiving ? &c->bulk->jobs[BULK_RECEIVE] : NULL;
  if (job && job->state == BULK_WORKING) return;
  int unread = 0;
  if (ioctl(c->fd, FIONREAD, &unread) < 0 || unread < PING_CALL_SIZE) return;
  size_t size = (unsigned)unread > PEEK_MAX ? PEEK_MAX : (size_t)unread;
  // Where the next record begins: behind the rest of the one that is half read.
  if (c->mark_length % 4 != 0 || (c->mark_length == 4 && !c->last_fragment)) return;
  size_t begin = c->mark_length == 4 ? c->fragment_left - (job ? job->moved : 0) : 0;
  uint8_t *bytes = malloc(size);
  if (!bytes) return;
  ssize_t got = recv(c->fd, bytes, size, MSG_PEEK | MSG_DONTWAIT);
  if (got > 0) ping_scan(bytes, (size_t)got, begin, pong_unread, c);
  free(bytes);
}

void event_pool_answer_pings(event_pool *pool) {
  for (int id = 0; id < pool->capacity; id++) {
    struct connection *c = &pool->connections[id];
    if (c->kind != STREAM || !c->options.answer_pings) continue;
    if (pool->bulk) bulk_threads_hold(pool->bulk);
    answer_unread_pings(c);
    if (pool->bulk) bulk_threads_let_go(pool->bulk);
  }
}
