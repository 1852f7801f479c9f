// Drives the event pool's threads at random from a seed: connections of a pool to itself echo records while the number of threads changes, either end is
// closed at any moment, reading pauses, and pings are answered from another thread. All memory is given back as early as the contract allows, so that
// AddressSanitizer sees who touches it later, and ThreadSanitizer who doesn't wait for his turn. Usage: event-threads SEED ROUNDS
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "event_pool.h"
#include "ping_answer.h"

#define CONNECTIONS 16
#define IDS_MAX 1024
#define PAGES_MAX 1024
#define RECORDS 24
#define PAYLOAD_MAX (1u << 20)
#define HEADER 100

#define CHECK(condition)                                                             \
  do {                                                                               \
    if (!(condition)) {                                                              \
      fprintf(stderr, "line %d: %s (seed %u)\n", __LINE__, #condition, first_seed);  \
      abort();                                                                       \
    }                                                                                \
  } while (0)

static unsigned seed, first_seed;

static unsigned below(unsigned limit) {
  seed = seed * 1103515245u + 12345u;
  return (seed >> 8) % limit;
}

static void put(uint8_t *at, uint32_t value) {
  for (int i = 0; i < 4; i++) at[i] = (uint8_t)(value >> (24 - 8 * i));
}

static uint32_t get(const uint8_t *at) { return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3]; }

static uint8_t expected(uint32_t xid, uint32_t at) { return (uint8_t)(xid * 7 + at * 31 + (at >> 8)); }

// A WRITE call, version 4, with empty credentials and xdata: its payload begins after HEADER bytes.
static size_t write_call(uint8_t *record, uint32_t xid, uint32_t payload) {
  memset(record, 0, 4 + HEADER);
  put(record, 0x80000000u | (HEADER - 8 + payload));
  uint8_t *call = record + 4;
  put(call, xid);
  put(call + 8, 2);
  put(call + 12, 1298437);
  put(call + 16, 400);
  put(call + 20, 13);
  return 4 + HEADER - 8;
}

struct end {
  int open;       // known to us
  int client;
  int waiting;    // a writev isn't done
  uint32_t owed;  // echoes that the client waits for
  uint32_t sent;
  // What is being sent, and what is queued behind it, in memory of its own.
  struct iovec queue[RECORDS * 4];
  uint8_t ends_record[RECORDS * 4];
  int head, tail, sending;
};

static event_pool *pool;
static struct end ends[IDS_MAX];
static uint8_t *pages[PAGES_MAX];
static int pages_out, clients_open, echoed, released, closed_late;

static uint8_t *new_page(void *context, size_t size, int32_t *index) {
  (void)context;
  for (int i = 0; i < PAGES_MAX; i++) {
    if (pages[i]) continue;
    pages[i] = malloc(size);
    *index = i;
    pages_out++;
    return pages[i];
  }
  return NULL;
}

static void free_page(int index) {
  if (index < 0) return;
  CHECK(pages[index]);
  free(pages[index]);
  pages[index] = NULL;
  pages_out--;
}

static void free_queue(struct end *end) {
  for (int i = end->head; i < end->tail; i++) free(end->queue[i].iov_base);
  memset(end, 0, sizeof *end);
}

static void flush(int id) {
  struct end *end = &ends[id];
  if (!end->open || end->waiting) return;
  while (end->head < end->tail) {
    int count = 1 + (int)below((unsigned)(end->tail - end->head));
    // Whole records: the pool may answer a ping between two gathers.
    while (!end->ends_record[end->head + count - 1]) count++;
    size_t size = 0;
    for (int i = 0; i < count; i++) size += end->queue[end->head + i].iov_len;
    struct iovec vector[RECORDS * 4];
    memcpy(vector, end->queue + end->head, (size_t)count * sizeof *vector);
    ssize_t written = event_pool_writev(pool, id, vector, count, -1);
    if (written < 0) return;  // a close follows
    end->sending = count;
    if ((size_t)written < size) {
      end->waiting = 1;
      return;
    }
    while (count-- > 0) free(end->queue[end->head++].iov_base);
  }
  end->head = end->tail = 0;
}

static void queue(int id, const uint8_t *bytes, size_t length, int ends_record) {
  struct end *end = &ends[id];
  CHECK(end->tail < RECORDS * 4);
  void *copy = malloc(length);
  memcpy(copy, bytes, length);
  end->ends_record[end->tail] = (uint8_t)ends_record;
  end->queue[end->tail++] = (struct iovec){.iov_base = copy, .iov_len = length};
}

static void send_record(int id, uint32_t xid) {
  static uint8_t record[4 + HEADER + PAYLOAD_MAX];
  uint32_t payload = below(3) ? below(PAYLOAD_MAX) : below(200);
  size_t length = write_call(record, xid, payload);
  for (uint32_t i = 0; i < payload; i++) record[length + i] = expected(xid, i);
  // In one or two pieces.
  size_t cut = below(2) ? below((unsigned)(length + payload)) : 0;
  if (cut > 0) queue(id, record, cut, 0);
  queue(id, record + cut, length + payload - cut, 1);
  flush(id);
}

static void send_ping(int id, uint32_t xid) {
  uint8_t ping[4 + PING_CALL_SIZE] = {0};
  put(ping, 0x80000000u | PING_CALL_SIZE);
  put(ping + 4, xid);
  put(ping + 12, 2);
  put(ping + 16, 0x075bb86d);
  put(ping + 20, 1);
  put(ping + 24, 2);
  queue(id, ping, sizeof ping, 1);
  flush(id);
}

static void gone(int id) {
  if (ends[id].client) clients_open--;
  free_queue(&ends[id]);
}

static void close_end(int id) {
  int page = event_pool_held_page(pool, id);
  if (event_pool_close(pool, id)) {
    ends[id].open = 0;  // till EVENT_RELEASED
    closed_late++;
    return;
  }
  free_page(page);
  gone(id);
}

// An end that is sending or receiving, or -1.
static int amid_transfer(void) {
  int first = (int)below(IDS_MAX);
  for (int i = 0; i < IDS_MAX; i++) {
    int id = (first + i) % IDS_MAX;
    if (ends[id].open && (ends[id].waiting || event_pool_held_page(pool, id) >= 0)) return id;
  }
  return -1;
}

static void got_record(const struct event *event, const uint8_t *bytes) {
  struct end *end = &ends[event->id];
  const uint8_t *head = bytes + event->offset;
  uint32_t length = (uint32_t)event->length;
  if (end->open && end->client && length == PING_REPLY_SIZE - 4 && get(head + 4) == 1) {
    end->owed--;
  } else if (end->open && ping_is_call(head, length)) {
    // The pool was amid another record.
    uint8_t reply[PING_REPLY_SIZE];
    ping_reply(reply, ping_xid(head));
    queue(event->id, reply, sizeof reply, 1);
    flush(event->id);
  } else if (end->open) {
    CHECK(length >= HEADER - 8);
    uint32_t xid = get(head), early = length - (HEADER - 8);
    const uint8_t *page = event->page >= 0 ? pages[event->page] : NULL;
    for (uint32_t i = 0; i < early; i++) CHECK(head[HEADER - 8 + i] == expected(xid, i));
    for (int32_t i = 0; i < event->value; i++) CHECK(page[i] == expected(xid, (uint32_t)i));
    if (end->client) {
      end->owed--;
      echoed++;
    } else {
      uint8_t mark[4];
      put(mark, 0x80000000u | (length + (uint32_t)event->value));
      queue(event->id, mark, 4, 0);
      queue(event->id, head, length, page == NULL);
      if (page) queue(event->id, page, (size_t)event->value, 1);
      flush(event->id);
    }
  }
  free_page(event->page);
}

static void handle(const struct event *event, const uint8_t *bytes) {
  struct end *end = &ends[event->id];
  switch (event->type) {
    case EVENT_ACCEPT:
      CHECK(event->value < IDS_MAX && !ends[event->value].open);
      ends[event->value].open = 1;
      break;
    case EVENT_CONNECT:
      break;
    case EVENT_RECORD:
      got_record(event, bytes);
      break;
    case EVENT_WRITABLE: {
      if (!end->open) break;
      CHECK(end->waiting && end->sending > 0);
      end->waiting = 0;
      while (end->sending-- > 0) free(end->queue[end->head++].iov_base);
      flush(event->id);
      break;
    }
    case EVENT_CLOSE:
      CHECK(end->open);
      free_page(event->page);
      gone(event->id);
      break;
    case EVENT_RELEASED:
      CHECK(!end->open);
      free_page(event->page);
      gone(event->id);
      released++;
      break;
    default:
      CHECK(0);
  }
}

static void drain(int timeout_ms) {
  struct event_batch batch;
  CHECK(event_pool_drain(pool, timeout_ms, &batch) == 0);
  for (size_t i = 0; i < batch.count; i++) handle(&batch.events[i], batch.bytes);
}

static void *answer_pings(void *unused) {
  (void)unused;
  event_pool_answer_pings(pool);
  return NULL;
}

static void round_of(int destroy) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct socket_options options = {.record_size_max = 1u << 30, .answer_pings = 1, .window_size = below(2) ? 0 : 65536};
  pool = event_pool_new(new_page, NULL);
  CHECK(pool);
  CHECK(event_pool_set_threads(pool, 0) == 0);
  int listener = event_pool_listen(pool, &address, sizeof address, 64, &options);
  CHECK(listener >= 0);
  socklen_t length = sizeof address;
  CHECK(getsockname(event_pool_socket(pool, listener), (struct sockaddr *)&address, &length) == 0);
  int threads = (int)below(5);
  CHECK(event_pool_set_threads(pool, threads) == threads);
  int clients[CONNECTIONS], closes = below(3) ? (int)below(CONNECTIONS) : 0;
  struct socket_options client_options = options;
  client_options.answer_pings = 0;
  for (int i = 0; i < CONNECTIONS; i++) {
    clients[i] = event_pool_connect(pool, &address, sizeof address, NULL, 0, 0, 0, &client_options);
    CHECK(clients[i] >= 0 && clients[i] < IDS_MAX);
    ends[clients[i]].open = ends[clients[i]].client = 1;
    clients_open++;
  }
  drain(10);
  for (unsigned turn = 0;; turn++) {
    int busy = 0;
    for (int i = 0; i < CONNECTIONS; i++) {
      struct end *end = &ends[clients[i]];
      if (!end->open || !end->client) continue;
      if (end->sent < RECORDS && end->tail < RECORDS && below(2)) {
        end->sent++;
        end->owed++;
        if (below(4) == 0) send_ping(clients[i], end->sent);
        else send_record(clients[i], end->sent);
      }
      busy += end->sent < RECORDS || end->owed > 0;
    }
    if (!busy) break;
    if (destroy && turn > 20) break;
    int any = (int)below(IDS_MAX);
    if (any != listener && any < 40 && ends[any].open) {
      // Reading pauses for a turn.
      event_pool_pause(pool, any, 1);
      drain(0);
      if (ends[any].open) event_pool_pause(pool, any, 0);
    }
    if (closes > 0 && below(6) == 0) {
      int id = amid_transfer();
      if (id >= 0) {
        closes--;
        if (below(3)) close_end(id);
        else shutdown(event_pool_socket(pool, id), SHUT_RDWR);
      }
    }
    if (below(20) == 0) event_pool_set_threads(pool, (int)below(5));
    if (below(20) == 0) {
      pthread_t other;
      CHECK(pthread_create(&other, NULL, answer_pings, NULL) == 0);
      pthread_join(other, NULL);
    }
    drain((int)below(3));
  }
  if (!destroy) {
    for (int id = 0; id < IDS_MAX; id++)
      if (ends[id].open) close_end(id);
    event_pool_set_threads(pool, 0);
    for (int i = 0; i < 1000 && (clients_open > 0 || pages_out > 0); i++) drain(10);
    CHECK(clients_open == 0 && pages_out == 0);
  }
  event_pool_free(pool);
  for (int id = 0; id < IDS_MAX; id++) free_queue(&ends[id]);
  for (int i = 0; i < PAGES_MAX; i++)
    if (pages[i]) free_page(i);
  clients_open = 0;
}

int main(int argc, char **argv) {
  seed = first_seed = argc > 1 ? (unsigned)atoi(argv[1]) : 1;
  int rounds = argc > 2 ? atoi(argv[2]) : 4;
  for (int i = 0; i < rounds; i++) round_of(i % 2 == 1);
  printf("echoed %d, closed late %d, released %d\n", echoed, closed_late, released);
  return 0;
}
