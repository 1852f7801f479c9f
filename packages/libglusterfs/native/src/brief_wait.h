// epoll_wait for a thread that is asked again and again within microseconds. To sleep and to be woken costs some 5 µs of processor time,
// and 20 µs on both sides when the processor that it slept on has halted, as in a virtual machine whose guest doesn't poll. So while
// waits are short it has processors not halt, or, where it can't, looks for a while before it sleeps, and lets others have the processor meanwhile.
#pragma once
#include <stdint.h>
#include <sys/epoll.h>

#include "processor_idling.h"

struct brief_wait {
  int64_t look_ns;  // how long to look before sleeping: 0 while waits are long
  int64_t busy_until_ns;  // others need the processor: no looking before this time
  int brief, vain;  // brief sleeps, and looks that found nothing, in a row
  struct processor_idling idling;
};

// As epoll_wait. GLUSTERTS_LOOK_US: the longest look in microseconds; 0: it sleeps at once.
int brief_wait(struct brief_wait *wait, int epfd, struct epoll_event *ready, int room, int timeout_ms);
