#include "brief_wait.h"

#include <sched.h>
#include <stdlib.h>
#include <time.h>

// The longest look. The caller's next request comes within 30 µs, a brick's answer within 60.
#define LOOK_US 60
// A sleep that is over sooner would have been worth a look.
#define BRIEF_NS 120000
// So many of them in a row begin the looking, and so many looks that find nothing end it.
#define BRIEF_MIN 4
#define VAIN_MAX 4
// Others had the processor for so long in a look: it is left to them for a while.
#define ELSEWHERE_NS 30000
#define BUSY_NS 100000000

static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static int64_t longest_look_ns(void) {
  static int64_t ns = -1;
  if (ns < 0) {
    const char *us = getenv("GLUSTERTS_LOOK_US");
    long value = us ? strtol(us, NULL, 10) : LOOK_US;
    ns = value > 0 && value <= 1000 ? value * 1000 : 0;
  }
  return ns;
}

// As epoll_wait without waiting; 0: nothing came while it looked.
static int look(struct brief_wait *wait, int epfd, struct epoll_event *ready, int room, int64_t begin) {
  int64_t at = begin;
  do {
    int count = epoll_wait(epfd, ready, room, 0);
    if (count != 0) {
      wait->vain = 0;
      return count;
    }
    sched_yield();
    int64_t back = now_ns();
    if (back - at > ELSEWHERE_NS) {
      wait->busy_until_ns = back + BUSY_NS;
      return 0;
    }
    at = back;
  } while (at - begin < wait->look_ns);
  if (++wait->vain >= VAIN_MAX) {
    wait->look_ns = 0;
    wait->brief = 0;
  }
  return 0;
}

// Processors don't halt: a sleep costs little. They may when nothing comes.
static int doze(struct brief_wait *wait, int epfd, struct epoll_event *ready, int room, int timeout_ms) {
  if (timeout_ms >= 0 && timeout_ms <= IDLING_SILENCE_MS) return epoll_wait(epfd, ready, room, timeout_ms);
  int count = epoll_wait(epfd, ready, room, IDLING_SILENCE_MS);
  if (count != 0) return count;
  idling_allow(&wait->idling);
  return epoll_wait(epfd, ready, room, timeout_ms < 0 ? timeout_ms : timeout_ms - IDLING_SILENCE_MS);
}

static int look_and_sleep(struct brief_wait *wait, int epfd, struct epoll_event *ready, int room, int timeout_ms, int64_t begin) {
  int64_t longest = longest_look_ns();
  if (wait->look_ns > 0 && begin >= wait->busy_until_ns) {
    int count = look(wait, epfd, ready, room, begin);
    return count != 0 ? count : epoll_wait(epfd, ready, room, timeout_ms);
  }
  int count = epoll_wait(epfd, ready, room, timeout_ms);
  if (now_ns() - begin > BRIEF_NS) {
    wait->brief = 0;
  } else if (++wait->brief >= BRIEF_MIN) {
    wait->look_ns = longest;
    wait->vain = 0;
  }
  return count;
}

int brief_wait(struct brief_wait *wait, int epfd, struct epoll_event *ready, int room, int timeout_ms) {
  if (timeout_ms == 0) return epoll_wait(epfd, ready, room, timeout_ms);
  int64_t begin = now_ns();
  int count = wait->idling.awake ? doze(wait, epfd, ready, room, timeout_ms) : look_and_sleep(wait, epfd, ready, room, timeout_ms, begin);
  idling_waited(&wait->idling, now_ns() - begin);
  return count;
}
