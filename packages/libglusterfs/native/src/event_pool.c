#include "event_pool.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "bulk_threads.h"
#include "ping_answer.h"
#include "rpc_payload.h"

#define STAGING_SIZE 65536
#define READY_MAX 64
// Rounds of epoll_wait in one drain, and bytes of one connection in one round: fairness.
#define ROUNDS_MAX 4
#define BYTES_MAX (4u << 20)
#define ACCEPTS_MAX 64
#define MARK_LAST 0x80000000u
// Payloads smaller than this aren't worth a page of their own.
#define PAYLOAD_MIN 4096u
// Where the payload begins must be known after this many bytes of a record, or it is taken as one piece.
#define HEADER_MAX 8192u
// A buffer for headers is kept between records up to this size: each of ten thousand idle connections may have one.
#define HEAD_KEPT_MAX HEADER_MAX
// How far into a socket's unread bytes pings are looked for.
#define PEEK_MAX (8u << 20)
// Descriptors of a connection that have come and that nobody has taken yet; with more it is closed.
#define DESCRIPTORS_MAX 64
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
  int *descriptors;
  int descriptor_count;
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

static struct connection *at(const event_pool *pool, int id) {
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

static void rearm(event_pool *pool, int id) {
  struct connection *c = &pool->connections[id];
  uint32_t events = interest(c);
  if (c->unwatched ? c->bulk_receiving : events == c->watched_for) return;
  struct epoll_event event = {.events = events, .data.u32 = (uint32_t)id};
  epoll_ctl(pool->epfd, c->unwatched ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, c->fd, &event);
  c->watched_for = events;
  c->unwatched = 0;
}

// Without interest, the end of the peer would still be told, again and again.
static void unwatch(event_pool *pool, struct connection *c) {
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
  for (int i = 0; i < c->descriptor_count; i++) close(c->descriptors[i]);
  free(c->descriptors);
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
  if (!c->unwatched) unwatch(pool, c);
  return 1;
}

int event_pool_close(event_pool *pool, int id) {
  struct connection *c = at(pool, id);
  if (!c) return 0;
  c->abandoned = 1;
  if (begin_closing(pool, c)) return 1;
  release(pool, id);
  return 0;
}

int32_t event_pool_held_page(const event_pool *pool, int id) {
  const struct connection *c = at(pool, id);
  return c ? c->page_index : -1;
}

int event_pool_socket(const event_pool *pool, int id) {
  const struct connection *c = at(pool, id);
  return c ? c->fd : -EBADF;
}

static void tune(int fd, int family, const struct socket_options *options) {
  int on = 1;
  if (family != AF_UNIX) {
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (options->keepalive_time_s > 0) {
      setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
      setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &options->keepalive_time_s, sizeof(int));
      if (options->keepalive_interval_s > 0) setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &options->keepalive_interval_s, sizeof(int));
      if (options->keepalive_count > 0) setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &options->keepalive_count, sizeof(int));
    }
    if (options->user_timeout_ms > 0) setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &options->user_timeout_ms, sizeof(int));
  }
  if (options->window_size > 0) {
    // On a unix socket what is on its way lies in the sender's buffer alone, and the system's limit is small.
    if (family != AF_UNIX || setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &options->window_size, sizeof(int)) < 0)
      setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &options->window_size, sizeof(int));
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &options->window_size, sizeof(int));
  }
}

static void set_port(struct sockaddr_storage *address, int port) {
  if (address->ss_family == AF_INET) ((struct sockaddr_in *)address)->sin_port = htons((uint16_t)port);
  if (address->ss_family == AF_INET6) ((struct sockaddr_in6 *)address)->sin6_port = htons((uint16_t)port);
}

// Binds the first free port from `from` down to `to`; none free: the kernel chooses (spec/rpc-wire.md, §13.5).
static int bind_downwards(int fd, const void *bind_address, size_t length, int from, int to) {
  struct sockaddr_storage local;
  if (length > sizeof local) return -EINVAL;
  memcpy(&local, bind_address, length);
  for (int port = from; port >= to && port > 0; port--) {
    set_port(&local, port);
    if (bind(fd, (struct sockaddr *)&local, (socklen_t)length) == 0) return 0;
    if (errno != EADDRINUSE && errno != EACCES) return -errno;
  }
  set_port(&local, 0);
  return bind(fd, (struct sockaddr *)&local, (socklen_t)length) == 0 ? 0 : -errno;
}

int event_pool_connect(event_pool *pool, const void *address, size_t address_length, const void *bind_address, size_t bind_length,
                       int bind_from, int bind_to, const struct socket_options *options) {
  int family = ((const struct sockaddr *)address)->sa_family;
  int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  tune(fd, family, options);
  int error = 0;
  if (bind_length > 0) error = bind_downwards(fd, bind_address, bind_length, bind_from, bind_to);
  if (error == 0 && connect(fd, address, (socklen_t)address_length) < 0 && errno != EINPROGRESS) error = -errno;
  int id = error < 0 ? error : adopt(pool, fd, CONNECTING, options);
  if (id < 0) close(fd);
  return id;
}

int event_pool_listen(event_pool *pool, const void *address, size_t address_length, int backlog, const struct socket_options *options) {
  int family = ((const struct sockaddr *)address)->sa_family;
  int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  int id = 0;
  if (bind(fd, address, (socklen_t)address_length) < 0 || listen(fd, backlog) < 0) id = -errno;
  else id = adopt(pool, fd, LISTENER, options);
  if (id < 0) close(fd);
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
  struct connection *c = at(pool, id);
  if (!c || c->paused == paused) return;
  c->paused = paused;
  if (c->kind != CONNECTING && c->kind != CLOSING) rearm(pool, id);
}

int event_pool_take_descriptor(event_pool *pool, int id) {
  struct connection *c = at(pool, id);
  if (!c || c->descriptor_count == 0) return -1;
  int descriptor = c->descriptors[0];
  memmove(c->descriptors, c->descriptors + 1, (size_t)--c->descriptor_count * sizeof *c->descriptors);
  return descriptor;
}

union descriptor_control {
  char bytes[CMSG_SPACE(sizeof(int))];
  struct cmsghdr align;
};

// Bytes that the socket took, 0 when it is full, or -errno. `descriptor` goes along with the first of them, unless it is -1.
static ssize_t send_vector(const struct connection *c, const struct iovec *vector, int count, int descriptor) {
  struct msghdr message = {.msg_iov = (struct iovec *)vector, .msg_iovlen = (size_t)count};
  union descriptor_control control;
  if (descriptor >= 0) {
    memset(&control, 0, sizeof control);
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof control.bytes;
    struct cmsghdr *item = CMSG_FIRSTHDR(&message);
    item->cmsg_level = SOL_SOCKET;
    item->cmsg_type = SCM_RIGHTS;
    item->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(item), &descriptor, sizeof descriptor);
  }
  for (;;) {
    ssize_t written = sendmsg(c->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (written >= 0) return written;
    if (errno == EINTR) continue;
    return errno == EAGAIN ? 0 : -errno;
  }
}

// The first buffer that `written` bytes don't cover; what they cover of it is taken off.
static int skip_sent(struct iovec *vector, int at, int count, size_t written) {
  while (at < count && written >= vector[at].iov_len) written -= vector[at++].iov_len;
  if (at < count) vector[at] = (struct iovec){.iov_base = (uint8_t *)vector[at].iov_base + written, .iov_len = vector[at].iov_len - written};
  return at;
}

// The connection's place among the threads, if there are any.
static struct bulk_socket *bulk_of(event_pool *pool, int id) {
  struct connection *c = &pool->connections[id];
  if (bulk_threads_count(pool->bulk) == 0) return NULL;
  if (!c->bulk) c->bulk = bulk_socket_new(pool->bulk, c->fd, id);
  return c->bulk;
}

// A gather that is worth it. Whether it was.
static int leave_to_threads(event_pool *pool, int id, const struct iovec *vector, int count) {
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

ssize_t event_pool_writev(event_pool *pool, int id, const struct iovec *vector, int count, int descriptor) {
  struct connection *c = at(pool, id);
  int error = !c || (c->kind != STREAM && c->kind != CLOSING) || c->rest || (descriptor >= 0 && !c->local) ? -EBADF : c->kind == CLOSING ? -EPIPE : 0;
  if (error == 0 && descriptor < 0 && pool->bulk && leave_to_threads(pool, id, vector, count)) return 0;
  ssize_t written = error ? error : send_vector(c, vector, count, descriptor);
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
  c->rest_at = skip_sent(c->rest, 0, c->rest_count, left);
  c->rest_sent = 0;
  rearm(pool, id);
  return written;
}

void event_pool_sent(event_pool *pool, int id, const uint8_t *record, size_t length) {
  struct connection *c = at(pool, id);
  if (c) read_calls_note(&c->reads, record, length);
}

static struct event *emit(event_pool *pool, int type, int id) {
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

// 1 when the socket took all of it. Not while the rest of another record has to follow!
static int send_pong(const struct connection *c, uint32_t xid) {
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
  return answered_pings_take(&c->answered, xid) || (!c->rest && send_pong(c, xid));
}

static uint32_t word(const uint8_t *bytes) { return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3]; }

static int finish_record(event_pool *pool, int id) {
  struct connection *c = &pool->connections[id];
  if (is_answered(c)) {
    next_record(c);
    return 0;
  }
  if (c->local && c->head_length == 8 && !c->page && word(c->head + 4) == RETURNED_RECORD) {
    emit(pool, EVENT_RETURNED, id)->value = (int32_t)word(c->head);
    next_record(c);
    return 0;
  }
  size_t offset = pool->byte_count;
  int error = append_bytes(pool, c->head, c->head_length);
  if (error) return error;
  struct event *event = emit(pool, EVENT_RECORD, id);
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

// Feeds received bytes to the framer. Returns 0, or -errno to close the connection.
static int consume(event_pool *pool, int id, const uint8_t *bytes, size_t length) {
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
        int error = finish_record(pool, id);
        if (error) return error;
      }
    }
  }
  return 0;
}

static void closed(event_pool *pool, int id, int error) {
  struct connection *c = &pool->connections[id];
  if (c->kind != CLOSING) c->close_error = error;
  if (begin_closing(pool, c)) return;
  struct event *event = emit(pool, c->abandoned ? EVENT_RELEASED : EVENT_CLOSE, id);
  event->value = c->close_error;
  event->page = c->page_index;  // goes back to the pool of pages
  release(pool, id);
}

// The rest of a payload's page, when it is worth it. Whether it was.
static int leave_rest_to_threads(event_pool *pool, int id) {
  struct connection *c = &pool->connections[id];
  struct bulk_socket *bulk = bulk_of(pool, id);
  if (!bulk || bulk_receive(pool->bulk, bulk, c->page + c->page_length, c->fragment_left) != 0) return 0;
  c->bulk_receiving = 1;
  rearm(pool, id);
  return 1;
}

// Keeps the descriptors of a message. -1 when there are too many, or some were lost.
static int keep_descriptors(struct connection *c, struct msghdr *message) {
  int error = message->msg_flags & MSG_CTRUNC ? -1 : 0;
  for (struct cmsghdr *item = CMSG_FIRSTHDR(message); item; item = CMSG_NXTHDR(message, item)) {
    if (item->cmsg_level != SOL_SOCKET || item->cmsg_type != SCM_RIGHTS) continue;
    size_t count = (item->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; i++) {
      int descriptor;
      memcpy(&descriptor, CMSG_DATA(item) + i * sizeof descriptor, sizeof descriptor);
      if (!c->descriptors) c->descriptors = malloc(DESCRIPTORS_MAX * sizeof *c->descriptors);
      if (c->descriptors && c->descriptor_count < DESCRIPTORS_MAX) c->descriptors[c->descriptor_count++] = descriptor;
      else {
        close(descriptor);
        error = -1;
      }
    }
  }
  return error;
}

static ssize_t read_stream(struct connection *c, struct iovec *vector, int count) {
  if (!c->local) return readv(c->fd, vector, count);
  union descriptor_control control;
  struct msghdr message = {.msg_iov = vector, .msg_iovlen = (size_t)count, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
  ssize_t got = recvmsg(c->fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (got < 0 || message.msg_controllen == 0 || keep_descriptors(c, &message) == 0) return got;
  errno = EMFILE;
  return -1;
}

static void receive(event_pool *pool, int id) {
  size_t budget = BYTES_MAX;
  while (budget > 0) {
    struct connection *c = &pool->connections[id];
    if (c->page && c->fragment_left >= BULK_MIN && pool->bulk && leave_rest_to_threads(pool, id)) return;
    struct iovec vector[2];
    int count = 0;
    size_t room = 0;
    if (c->page && c->fragment_left > 0) {
      vector[count++] = (struct iovec){.iov_base = c->page + c->page_length, .iov_len = c->fragment_left};
      room = c->fragment_left;
    }
    vector[count++] = (struct iovec){.iov_base = pool->staging, .iov_len = STAGING_SIZE};
    ssize_t got = read_stream(c, vector, count);
    if (got == 0) return closed(pool, id, 0);
    if (got < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) return;
      return closed(pool, id, errno);
    }
    size_t direct = (size_t)got < room ? (size_t)got : room;
    if (direct > 0) {
      c->page_length += (uint32_t)direct;
      c->fragment_left -= (uint32_t)direct;
      if (c->fragment_left == 0) {
        c->mark_length = 0;
        int error = finish_record(pool, id);  // a page exists only in last fragments
        if (error) return closed(pool, id, -error);
      }
    }
    if ((size_t)got > direct) {
      int error = consume(pool, id, pool->staging, (size_t)got - direct);
      if (error) return closed(pool, id, -error);
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
    tune(fd, peer.ss_family, &options);
    int new_connection = adopt(pool, fd, STREAM, &options);
    if (new_connection < 0) {
      close(fd);
      return;
    }
    emit(pool, EVENT_ACCEPT, id)->value = new_connection;
  }
}

static void connected(event_pool *pool, int id) {
  struct connection *c = &pool->connections[id];
  int error = 0;
  socklen_t length = sizeof error;
  getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &length);
  if (error) return closed(pool, id, error);
  c->kind = STREAM;
  rearm(pool, id);
  emit(pool, EVENT_CONNECT, id);
}

// Goes on with what a writev has left. -1 when the connection is closed.
static int send_rest(event_pool *pool, int id) {
  struct connection *c = &pool->connections[id];
  for (;;) {
    ssize_t written = send_vector(c, c->rest + c->rest_at, c->rest_count - c->rest_at, c->rest_descriptor);
    if (written < 0) {
      closed(pool, id, (int)-written);
      return -1;
    }
    if (written == 0) return 0;
    if (c->rest_descriptor >= 0) close(c->rest_descriptor);
    c->rest_descriptor = -1;
    c->rest_sent += (uint32_t)written;
    c->rest_at = skip_sent(c->rest, c->rest_at, c->rest_count, (size_t)written);
    if (c->rest_at == c->rest_count) break;
  }
  free(c->rest);
  c->rest = NULL;
  rearm(pool, id);
  emit(pool, EVENT_WRITABLE, id)->value = (int32_t)c->rest_sent;
  return 0;
}

// A thread has filled the page, or found that it can't.
static void bulk_received(event_pool *pool, int id, const struct bulk_job *job) {
  struct connection *c = &pool->connections[id];
  c->bulk_receiving = 0;
  c->page_length += (uint32_t)job->moved;
  c->fragment_left -= (uint32_t)job->moved;
  if (c->kind == CLOSING || job->error || job->ended) return closed(pool, id, job->error);
  c->mark_length = 0;
  int error = finish_record(pool, id);
  if (error) return closed(pool, id, -error);
  // The next record has begun as a rule, and if its rest is left to a thread as well, the epoll set need not know.
  if (!c->paused) receive(pool, id);
  if (pool->connections[id].kind == STREAM) rearm(pool, id);
}

static void bulk_sent(event_pool *pool, int id, const struct bulk_job *job) {
  struct connection *c = &pool->connections[id];
  c->bulk_sending = 0;
  free(c->rest);
  c->rest = NULL;
  if (c->kind == CLOSING || job->error || job->ended) return closed(pool, id, job->error);
  emit(pool, EVENT_WRITABLE, id)->value = (int32_t)job->moved;
}

static void bulk_ended(event_pool *pool) {
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
  if (!is_amid_record(c) && send_pong(c, xid)) return 0;
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

int event_pool_drain(event_pool *pool, int timeout_ms, struct event_batch *batch) {
  pool->event_count = 0;
  pool->byte_count = 0;
  for (int round = 0; round < ROUNDS_MAX; round++) {
    struct epoll_event ready[READY_MAX];
    int count = epoll_wait(pool->epfd, ready, READY_MAX, round == 0 ? timeout_ms : 0);
    if (count < 0) {
      if (errno != EINTR) return -errno;
      count = 0;
    }
    for (int i = 0; i < count; i++) {
      if (ready[i].data.u32 == BULK_READY) {
        bulk_ended(pool);
        continue;
      }
      int id = (int)ready[i].data.u32;
      struct connection *c = at(pool, id);
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
          if (ready[i].events & (EPOLLHUP | EPOLLERR)) unwatch(pool, c);
          continue;
        }
        if (ready[i].events & EPOLLIN || (ready[i].events & (EPOLLHUP | EPOLLERR) && !c->paused)) receive(pool, id);
        else if (ready[i].events & (EPOLLHUP | EPOLLERR)) closed(pool, id, ECONNRESET);
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
