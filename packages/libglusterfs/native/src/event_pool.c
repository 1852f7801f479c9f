#include "event_pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "event_pool_parts.h"

#define READY_MAX 64
// Rounds of epoll_wait in one drain, and bytes of one connection in one round: fairness.
#define ROUNDS_MAX 4
#define BYTES_MAX (4u << 20)
#define ACCEPTS_MAX 64

event_pool *event_pool_new(page_source source, void *context) {
  event_pool *pool = calloc(1, sizeof *pool);
  if (!pool) return NULL;
  pool->epfd = epoll_create1(EPOLL_CLOEXEC);
  if (pool->epfd < 0) {
    free(pool);
    return NULL;
  }
  pool->source = source;
  pool->context = context;
  return pool;
}

int event_pool_fd(const event_pool *pool) { return pool->epfd; }

struct connection *pool_connection(const event_pool *pool, int id) {
  if (id < 0 || id >= pool->capacity || pool->connections[id].kind == FREE) return NULL;
  return &pool->connections[id];
}

static int new_id(event_pool *pool) {
  if (pool->free_count == 0) {
    int capacity = pool->capacity ? pool->capacity * 2 : 16;
    struct connection *connections = realloc(pool->connections, (size_t)capacity * sizeof *connections);
    if (!connections) return -ENOMEM;
    pool->connections = connections;
    int *ids = realloc(pool->free_ids, (size_t)capacity * sizeof *ids);
    if (!ids) return -ENOMEM;
    pool->free_ids = ids;
    memset(connections + pool->capacity, 0, (size_t)(capacity - pool->capacity) * sizeof *connections);
    for (int id = capacity - 1; id >= pool->capacity; id--) pool->free_ids[pool->free_count++] = id;
    pool->capacity = capacity;
  }
  return pool->free_ids[--pool->free_count];
}

static uint32_t interest(const struct connection *c) {
  if (c->kind == CONNECTING) return EPOLLOUT;
  uint32_t events = c->paused || c->bulk_receiving ? 0 : EPOLLIN;
  return c->rest && !c->bulk_sending ? events | EPOLLOUT : events;
}

static int adopt(event_pool *pool, int fd, enum kind kind, const struct socket_options *options) {
  int id = new_id(pool);
  if (id < 0) return id;
  struct connection *c = &pool->connections[id];
  memset(c, 0, sizeof *c);
  c->kind = kind;
  c->fd = fd;
  c->page_index = -1;
  c->rest_descriptor = -1;
  int domain = 0;
  socklen_t length = sizeof domain;
  c->local = kind != WATCHED && getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0 && domain == AF_UNIX;
  c->options = *options;
  c->watched_for = interest(c);
  struct epoll_event event = {.events = c->watched_for, .data.u32 = (uint32_t)id};
  if (epoll_ctl(pool->epfd, EPOLL_CTL_ADD, fd, &event) < 0) {
    int error = errno;
    c->kind = FREE;
    pool->free_ids[pool->free_count++] = id;
    return -error;
  }
  return id;
}

void pool_rearm(event_pool *pool, int id) {
  struct connection *c = &pool->connections[id];
  uint32_t events = interest(c);
  if (c->unwatched ? c->bulk_receiving : events == c->watched_for) return;
  struct epoll_event event = {.events = events, .data.u32 = (uint32_t)id};
  epoll_ctl(pool->epfd, c->unwatched ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, c->fd, &event);
  c->watched_for = events;
  c->unwatched = 0;
}

void pool_unwatch(event_pool *pool, struct connection *c) {
  epoll_ctl(pool->epfd, EPOLL_CTL_DEL, c->fd, NULL);
  c->unwatched = 1;
}

static void release(event_pool *pool, int id) {
  struct connection *c = &pool->connections[id];
  if (c->bulk && pool->bulk) bulk_socket_free(pool->bulk, c->bulk);
  if (c->kind == WATCHED) epoll_ctl(pool->epfd, EPOLL_CTL_DEL, c->fd, NULL);
  else close(c->fd);  // leaves the epoll set by itself: the fd has no duplicates
  free(c->head);
  free(c->rest);
  if (c->rest_descriptor >= 0) close(c->rest_descriptor);
  descriptors_close(&c->descriptors);
  read_calls_clear(&c->reads);
  answered_pings_clear(&c->answered);
  memset(c, 0, sizeof *c);
  pool->free_ids[pool->free_count++] = id;
}

void event_pool_free(event_pool *pool) {
  if (pool->bulk) bulk_threads_free(pool->bulk);
  pool->bulk = NULL;
  for (int id = 0; id < pool->capacity; id++)
    if (pool->connections[id].kind != FREE) release(pool, id);
  idling_close(&pool->waiting.idling);
  close(pool->epfd);
  free(pool->connections);
  free(pool->free_ids);
  free(pool->events);
  free(pool->bytes);
  free(pool);
}

// When a thread works for the connection: has it end soon, and 1; what is left follows in bulk_ended.
static int begin_closing(event_pool *pool, struct connection *c) {
  if (!c->bulk_receiving && !c->bulk_sending) return 0;
  if (c->kind == CLOSING) return 1;
  c->kind = CLOSING;
  shutdown(c->fd, SHUT_RDWR);
  if (!c->unwatched) pool_unwatch(pool, c);
  return 1;
}

int event_pool_close(event_pool *pool, int id) {
  struct connection *c = pool_connection(pool, id);
  if (!c) return 0;
  c->abandoned = 1;
  if (begin_closing(pool, c)) return 1;
  release(pool, id);
  return 0;
}

int32_t event_pool_held_page(const event_pool *pool, int id) {
  const struct connection *c = pool_connection(pool, id);
  return c ? c->page_index : -1;
}

int event_pool_socket(const event_pool *pool, int id) {
  const struct connection *c = pool_connection(pool, id);
  return c ? c->fd : -EBADF;
}

int event_pool_connect(event_pool *pool, const void *address, size_t address_length, const void *bind_address, size_t bind_length,
                       int bind_from, int bind_to, const struct socket_options *options) {
  int fd = stream_socket_connect(address, address_length, bind_address, bind_length, bind_from, bind_to, options);
  int id = fd < 0 ? fd : adopt(pool, fd, CONNECTING, options);
  if (fd >= 0 && id < 0) close(fd);
  return id;
}

int event_pool_listen(event_pool *pool, const void *address, size_t address_length, int backlog, const struct socket_options *options) {
  int fd = stream_socket_listen(address, address_length, backlog);
  int id = fd < 0 ? fd : adopt(pool, fd, LISTENER, options);
  if (fd >= 0 && id < 0) close(fd);
  return id;
}

int event_pool_watch(event_pool *pool, int fd, watch_ready ready, void *context) {
  struct socket_options none = {0};
  int id = adopt(pool, fd, WATCHED, &none);
  if (id < 0) return id;
  pool->connections[id].ready = ready;
  pool->connections[id].ready_context = context;
  return id;
}

void event_pool_pause(event_pool *pool, int id, int paused) {
  struct connection *c = pool_connection(pool, id);
  if (!c || c->paused == paused) return;
  c->paused = paused;
  if (c->kind != CONNECTING && c->kind != CLOSING) pool_rearm(pool, id);
}

int event_pool_take_descriptor(event_pool *pool, int id) {
  struct connection *c = pool_connection(pool, id);
  return c ? descriptors_take(&c->descriptors) : -1;
}

ssize_t event_pool_writev(event_pool *pool, int id, const struct iovec *vector, int count, int descriptor) {
  struct connection *c = pool_connection(pool, id);
  int error = !c || (c->kind != STREAM && c->kind != CLOSING) || c->rest || (descriptor >= 0 && !c->local) ? -EBADF : c->kind == CLOSING ? -EPIPE : 0;
  if (error == 0 && descriptor < 0 && pool->bulk && pool_leave_to_threads(pool, id, vector, count)) return 0;
  ssize_t written = error ? error : stream_send(c->fd, vector, count, descriptor);
  if (descriptor >= 0 && written != 0) close(descriptor);
  if (written < 0) return written;
  if (written == 0) c->rest_descriptor = descriptor;
  size_t left = (size_t)written;
  int done = 0;
  while (done < count && left >= vector[done].iov_len) left -= vector[done++].iov_len;
  if (done == count) return written;
  c->rest_count = count - done;
  c->rest = malloc((size_t)c->rest_count * sizeof *c->rest);
  if (!c->rest) return -ENOMEM;
  memcpy(c->rest, vector + done, (size_t)c->rest_count * sizeof *c->rest);
  c->rest_at = stream_skip_sent(c->rest, 0, c->rest_count, left);
  c->rest_sent = 0;
  pool_rearm(pool, id);
  return written;
}

void event_pool_sent(event_pool *pool, int id, const uint8_t *record, size_t length) {
  struct connection *c = pool_connection(pool, id);
  if (c) read_calls_note(&c->reads, record, length);
}

struct event *pool_emit(event_pool *pool, int type, int id) {
  if (pool->event_count == pool->event_capacity) {
    size_t capacity = pool->event_capacity ? pool->event_capacity * 2 : 128;
    struct event *events = realloc(pool->events, capacity * sizeof *events);
    if (!events) abort();
    pool->events = events;
    pool->event_capacity = capacity;
  }
  struct event *event = &pool->events[pool->event_count++];
  *event = (struct event){.type = type, .id = id, .page = -1};
  return event;
}

void pool_closed(event_pool *pool, int id, int error) {
  struct connection *c = &pool->connections[id];
  if (c->kind != CLOSING) c->close_error = error;
  if (begin_closing(pool, c)) return;
  struct event *event = pool_emit(pool, c->abandoned ? EVENT_RELEASED : EVENT_CLOSE, id);
  event->value = c->close_error;
  event->page = c->page_index;  // goes back to the pool of pages
  release(pool, id);
}

void pool_receive(event_pool *pool, int id) {
  size_t budget = BYTES_MAX;
  while (budget > 0) {
    struct connection *c = &pool->connections[id];
    if (c->page && c->fragment_left >= BULK_MIN && pool->bulk && pool_leave_rest_to_threads(pool, id)) return;
    struct iovec vector[2];
    int count = 0;
    size_t room = 0;
    if (c->page && c->fragment_left > 0) {
      vector[count++] = (struct iovec){.iov_base = c->page + c->page_length, .iov_len = c->fragment_left};
      room = c->fragment_left;
    }
    vector[count++] = (struct iovec){.iov_base = pool->staging, .iov_len = STAGING_SIZE};
    ssize_t got = stream_receive(c->fd, vector, count, c->local ? &c->descriptors : NULL);
    if (got == 0) return pool_closed(pool, id, 0);
    if (got < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) return;
      return pool_closed(pool, id, errno);
    }
    size_t direct = (size_t)got < room ? (size_t)got : room;
    if (direct > 0) {
      c->page_length += (uint32_t)direct;
      c->fragment_left -= (uint32_t)direct;
      if (c->fragment_left == 0) {
        c->mark_length = 0;
        int error = framing_finish(pool, id);  // a page exists only in last fragments
        if (error) return pool_closed(pool, id, -error);
      }
    }
    if ((size_t)got > direct) {
      int error = framing_consume(pool, id, pool->staging, (size_t)got - direct);
      if (error) return pool_closed(pool, id, -error);
    }
    // A short read: nothing more is there; or a descriptor came along, then the rest makes the socket ready again.
    if ((size_t)got < room + STAGING_SIZE) return;
    budget -= (size_t)got < budget ? (size_t)got : budget;
  }
}

static void accept_all(event_pool *pool, int id) {
  for (int i = 0; i < ACCEPTS_MAX; i++) {
    struct connection *listener = &pool->connections[id];
    struct sockaddr_storage peer;
    socklen_t length = sizeof peer;
    int fd = accept4(listener->fd, (struct sockaddr *)&peer, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    struct socket_options options = listener->options;
    stream_socket_tune(fd, peer.ss_family, &options);
    int new_connection = adopt(pool, fd, STREAM, &options);
    if (new_connection < 0) {
      close(fd);
      return;
    }
    pool_emit(pool, EVENT_ACCEPT, id)->value = new_connection;
  }
}

static void connected(event_pool *pool, int id) {
  struct connection *c = &pool->connections[id];
  int error = 0;
  socklen_t length = sizeof error;
  getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &length);
  if (error) return pool_closed(pool, id, error);
  c->kind = STREAM;
  pool_rearm(pool, id);
  pool_emit(pool, EVENT_CONNECT, id);
}

// Goes on with what a writev has left. -1 when the connection is closed.
static int send_rest(event_pool *pool, int id) {
  struct connection *c = &pool->connections[id];
  for (;;) {
    ssize_t written = stream_send(c->fd, c->rest + c->rest_at, c->rest_count - c->rest_at, c->rest_descriptor);
    if (written < 0) {
      pool_closed(pool, id, (int)-written);
      return -1;
    }
    if (written == 0) return 0;
    if (c->rest_descriptor >= 0) close(c->rest_descriptor);
    c->rest_descriptor = -1;
    c->rest_sent += (uint32_t)written;
    c->rest_at = stream_skip_sent(c->rest, c->rest_at, c->rest_count, (size_t)written);
    if (c->rest_at == c->rest_count) break;
  }
  free(c->rest);
  c->rest = NULL;
  pool_rearm(pool, id);
  pool_emit(pool, EVENT_WRITABLE, id)->value = (int32_t)c->rest_sent;
  return 0;
}

int event_pool_drain(event_pool *pool, int timeout_ms, struct event_batch *batch) {
  pool->event_count = 0;
  pool->byte_count = 0;
  for (int round = 0; round < ROUNDS_MAX; round++) {
    struct epoll_event ready[READY_MAX];
    int count = brief_wait(&pool->waiting, pool->epfd, ready, READY_MAX, round == 0 ? timeout_ms : 0);
    if (count < 0) {
      if (errno != EINTR) return -errno;
      count = 0;
    }
    for (int i = 0; i < count; i++) {
      if (ready[i].data.u32 == BULK_READY) {
        pool_bulk_ended(pool);
        continue;
      }
      int id = (int)ready[i].data.u32;
      struct connection *c = pool_connection(pool, id);
      if (!c || c->unwatched) continue;
      if (c->kind == WATCHED) {
        if (!c->paused) c->ready(c->ready_context);
      } else if (c->kind == LISTENER) {
        accept_all(pool, id);
      } else if (c->kind == CONNECTING) {
        connected(pool, id);
      } else {
        if (ready[i].events & EPOLLOUT && c->rest && !c->bulk_sending && send_rest(pool, id) < 0) continue;
        if (c->bulk_receiving) {
          // The thread will find the peer's end.
          if (ready[i].events & (EPOLLHUP | EPOLLERR)) pool_unwatch(pool, c);
          continue;
        }
        if (ready[i].events & EPOLLIN || (ready[i].events & (EPOLLHUP | EPOLLERR) && !c->paused)) pool_receive(pool, id);
        else if (ready[i].events & (EPOLLHUP | EPOLLERR)) pool_closed(pool, id, ECONNRESET);
      }
    }
    if (count < READY_MAX) break;
  }
  batch->events = pool->events;
  batch->count = pool->event_count;
  batch->bytes = pool->bytes;
  batch->length = pool->byte_count;
  return 0;
}
