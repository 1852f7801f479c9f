#include "iobuf_arena.h"

#include <sys/mman.h>

void *iobuf_arena_map(size_t size) {
  void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return memory == MAP_FAILED ? NULL : memory;
}

void iobuf_arena_unmap(void *memory, size_t size) { munmap(memory, size); }
