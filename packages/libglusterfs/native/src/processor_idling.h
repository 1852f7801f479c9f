// A virtual machine whose processor halts leaves it to the host, and is woken by it: some 20 µs for each request and each answer, more than the
// request takes. While waits are short the processors that have nothing to do are asked to look for work themselves (PM QoS, /dev/cpu_dma_latency).
// Linux takes the request back when the process ends, however it does.
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct processor_idling {
  int fd;  // 0: not opened yet, -1: not here
  int brief;  // short waits in a row
  bool awake;  // processors are asked not to halt
};

// Silence after which processors may halt again, in milliseconds.
#define IDLING_SILENCE_MS 2

// A wait that took so many nanoseconds is over: after many short ones no processor halts.
void idling_waited(struct processor_idling *idling, int64_t ns);

// Processors may halt.
void idling_allow(struct processor_idling *idling);

void idling_close(struct processor_idling *idling);
