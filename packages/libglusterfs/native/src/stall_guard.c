#include "stall_guard.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

// While calls are made, and while none are.
#define TICK_MS 20
#define IDLE_TICK_MS 1000
// From when on a call, or a write on the pool, counts as slow, and for how long that is remembered.
#define SLOW_MS 20
// From when on another thread is asked to go on with the loop.
#define RELIEVE_MS 50
#define SLOW_MEMORY_MS 10000
// From when on, and how often, the thread that hangs is stood in for.
#define RESCUE_MS 500

struct stall_watch {
  struct stall_guard *guard;
  struct stall_help help;
  int stopping;
  pthread_mutex_t lock;
  pthread_cond_t wake;
  pthread_t thread;
};

static uint64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void stall_wait(struct stall_guard *guard) {
  // A rescue takes well under a millisecond.
  for (;;) {
    int expected = STALL_IN_CALL;
    if (__atomic_compare_exchange_n(&guard->state, &expected, STALL_RUNNING, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) return;
    if (expected == STALL_RUNNING) return;
    sched_yield();
  }
}

// Whether the thread waits for something, rather than for a processor.
static int is_blocked(pid_t thread) {
  char path[64], text[512];
  snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)thread);
  FILE *file = fopen(path, "re");
  if (!file) return 0;
  size_t length = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  text[length] = 0;
  const char *end = strrchr(text, ')');
  return end && end[1] == ' ' && end[2] != 'R';
}

static void stand_in(struct stall_watch *watch) {
  int expected = STALL_IN_CALL;
  struct stall_guard *guard = watch->guard;
  if (!__atomic_compare_exchange_n(&guard->state, &expected, STALL_TAKEN, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) return;
  watch->help.rescue(watch->help.context);
  __atomic_store_n(&guard->state, STALL_IN_CALL, __ATOMIC_RELEASE);
}

// 0 when it is time to end.
static int sleep_ms(struct stall_watch *watch, int ms) {
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_nsec += (long)(ms % 1000) * 1000000;
  until.tv_sec += ms / 1000 + until.tv_nsec / 1000000000;
  until.tv_nsec %= 1000000000;
  pthread_mutex_lock(&watch->lock);
  while (!watch->stopping && pthread_cond_timedwait(&watch->wake, &watch->lock, &until) != ETIMEDOUT) {
  }
  int go_on = !watch->stopping;
  pthread_mutex_unlock(&watch->lock);
  return go_on;
}

static void *run(void *argument) {
  struct stall_watch *watch = argument;
  struct stall_guard *guard = watch->guard;
  uint32_t last = 0;
  uint64_t since = 0;  // when the call that lasts was first seen; 0: none
  uint64_t rescued = 0, slow_until = 0;
  int active = 0;
  while (sleep_ms(watch, active ? TICK_MS : IDLE_TICK_MS)) {
    uint32_t calls = __atomic_load_n(&guard->calls, __ATOMIC_RELAXED);
    int in_call = __atomic_load_n(&guard->state, __ATOMIC_ACQUIRE) == STALL_IN_CALL;
    uint64_t now = now_ms();
    if (!in_call) since = 0;
    else if (calls != last || since == 0) since = now;
    uint64_t lasts = since ? now - since : 0;
    int waits = lasts >= SLOW_MS && is_blocked(__atomic_load_n(&guard->watched, __ATOMIC_RELAXED));
    if (waits || __atomic_load_n(&guard->stood_in, __ATOMIC_RELAXED) || watch->help.busy_ms(watch->help.busy_context) >= SLOW_MS) slow_until = now + SLOW_MEMORY_MS;
    if (waits && lasts >= RELIEVE_MS) watch->help.relieve(watch->help.busy_context);
    __atomic_store_n(&guard->slow, now < slow_until, __ATOMIC_RELAXED);
    if (lasts >= RESCUE_MS && now - rescued >= RESCUE_MS) {
      stand_in(watch);
      rescued = now;
    }
    active = calls != last || in_call || now < slow_until;
    last = calls;
  }
  return NULL;
}

int stall_watch_start(struct stall_guard *guard, const struct stall_help *help) {
  if (guard->watch) return 0;
  struct stall_watch *watch = calloc(1, sizeof *watch);
  if (!watch) return -ENOMEM;
  *watch = (struct stall_watch){.guard = guard, .help = *help};
  guard->watched = (int32_t)syscall(SYS_gettid);
  pthread_mutex_init(&watch->lock, NULL);
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&watch->wake, &attributes);
  pthread_condattr_destroy(&attributes);
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int error = pthread_create(&watch->thread, NULL, run, watch);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (error) {
    free(watch);
    return -error;
  }
  guard->watch = watch;
  guard->watching = 1;
  return 0;
}

int32_t stall_watch_thread(struct stall_guard *guard, int32_t thread) {
  stall_leave(guard);
  return __atomic_exchange_n(&guard->watched, thread, __ATOMIC_RELAXED);
}

void stall_watch_stop(struct stall_guard *guard) {
  struct stall_watch *watch = guard->watch;
  if (!watch) return;
  guard->watching = 0;
  guard->watch = NULL;
  pthread_mutex_lock(&watch->lock);
  watch->stopping = 1;
  pthread_cond_signal(&watch->wake);
  pthread_mutex_unlock(&watch->lock);
  pthread_join(watch->thread, NULL);
  pthread_mutex_destroy(&watch->lock);
  pthread_cond_destroy(&watch->wake);
  free(watch);
}
