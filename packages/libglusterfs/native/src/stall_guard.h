// Watches the thread that makes system calls for JavaScript: while one of them does not come back, another thread may do what
// cannot wait (`rescue`), and it is told apart whether files are written to slowly.
#pragma once
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum stall_state { STALL_RUNNING = 0, STALL_IN_CALL = 1, STALL_TAKEN = 2 };

struct stall_guard {
  int state;
  uint32_t calls;  // counts calls, so that one can be told from the next
  int watching;
  // Read by JavaScript: 1 for some seconds after a call or a write on the pool took long.
  uint32_t slow;
  // The same: how many threads run JavaScript in place of one that is in a call, each but the last being in one itself.
  uint32_t stood_in;
  // The thread whose calls are watched.
  int32_t watched;
  struct stall_watch *watch;
};

// Around each call. They cost two atomic stores; what the caller shares with `rescue` must not be touched between them.
static inline void stall_enter(struct stall_guard *guard) {
  if (!guard->watching) return;
  __atomic_store_n(&guard->calls, guard->calls + 1, __ATOMIC_RELAXED);
  __atomic_store_n(&guard->state, STALL_IN_CALL, __ATOMIC_RELEASE);
}
void stall_wait(struct stall_guard *guard);
static inline void stall_leave(struct stall_guard *guard) {
  if (!guard->watching) return;
  int expected = STALL_IN_CALL;
  if (!__atomic_compare_exchange_n(&guard->state, &expected, STALL_RUNNING, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) stall_wait(guard);
}

struct stall_help {
  // Called from the watching thread, again and again while a call lasts.
  void (*rescue)(void *context);
  void *context;
  // For how long the pool's oldest write has been running.
  uint64_t (*busy_ms)(void *context);
  void *busy_context;
  // Called from the watching thread, again and again, when a call has been waiting for 50 ms, with `busy_context`.
  void (*relieve)(void *context);
};

// Starts the watching thread; from the thread that is to be watched. 0 or -errno; a second time it does nothing.
int stall_watch_start(struct stall_guard *guard, const struct stall_help *help);
void stall_watch_stop(struct stall_guard *guard);
// From now on this one makes the calls; it is in none. Answers who was watched before.
int32_t stall_watch_thread(struct stall_guard *guard, int32_t thread);

#ifdef __cplusplus
}
#endif
