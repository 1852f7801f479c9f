/* Preloaded into a process: Linux's idle processors are what the files of IDLING_DIR say: `driver`, and `device` in place of /dev/cpu_dma_latency. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *redirected(const char *path, char *room, size_t size) {
  const char *name = strcmp(path, "/dev/cpu_dma_latency") == 0 ? "device" : strcmp(path, "/sys/devices/system/cpu/cpuidle/current_driver") == 0 ? "driver" : NULL;
  if (!name) return path;
  snprintf(room, size, "%s/%s", getenv("IDLING_DIR"), name);
  return room;
}

int open(const char *path, int flags, ...) {
  char room[4096];
  va_list more;
  va_start(more, flags);
  int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, int) : 0;
  va_end(more);
  return ((int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open"))(redirected(path, room, sizeof room), flags, mode);
}

long sysconf(int name) {
  const char *processors = getenv("IDLING_PROCESSORS");
  if (name == _SC_NPROCESSORS_ONLN && processors) return atol(processors);
  return ((long (*)(int))dlsym(RTLD_NEXT, "sysconf"))(name);
}
