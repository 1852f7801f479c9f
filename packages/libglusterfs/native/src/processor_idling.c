#include "processor_idling.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Of a wait of more than this 20 µs are little.
#define BRIEF_NS 500000
// So many of them, one after the other, begin it: what comes now and then doesn't.
#define BRIEF_MIN 32
// On machines with more processors most would poll for nothing.
#define PROCESSORS_MAX 8
// Microseconds that waking up may take: none, which leaves polling alone, and what Linux takes for "no matter".
#define LATENCY_NONE 0
#define LATENCY_ANY 2000000000

static const char *DEVICE = "/dev/cpu_dma_latency";
static const char *DRIVER = "/sys/devices/system/cpu/cpuidle/current_driver";

// Whether idle processors halt in a way that only this ends. Elsewhere (real hardware, whose first idle states take 1 or 2 µs) nothing was measured, and nothing is asked.
static bool halts(void) {
  char driver[16] = {0};
  int fd = open(DRIVER, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  ssize_t length = read(fd, driver, sizeof driver - 1);
  close(fd);
  return length > 0 && strncmp(driver, "haltpoll", 8) == 0;
}

static int open_device(void) {
  const char *wanted = getenv("GLUSTERTS_IDLE_POLL");
  if (wanted && strcmp(wanted, "0") == 0) return -1;
  if (sysconf(_SC_NPROCESSORS_ONLN) > PROCESSORS_MAX || !halts()) return -1;
  return open(DEVICE, O_WRONLY | O_CLOEXEC);
}

static void ask(struct processor_idling *idling, int32_t latency) {
  if (write(idling->fd, &latency, sizeof latency) == (ssize_t)sizeof latency) return;
  close(idling->fd);
  idling->fd = -1;
}

void idling_waited(struct processor_idling *idling, int64_t ns) {
  if (idling->fd < 0) return;
  if (ns > BRIEF_NS) {
    idling->brief = 0;
    return;
  }
  if (idling->awake || ++idling->brief < BRIEF_MIN) return;
  if (idling->fd == 0) idling->fd = open_device();
  if (idling->fd < 0) return;
  ask(idling, LATENCY_NONE);
  idling->awake = idling->fd >= 0;
}

void idling_allow(struct processor_idling *idling) {
  if (!idling->awake) return;
  idling->awake = false;
  idling->brief = 0;
  ask(idling, LATENCY_ANY);
}

void idling_close(struct processor_idling *idling) {
  if (idling->fd > 0) close(idling->fd);
  *idling = (struct processor_idling){.fd = -1};
}
