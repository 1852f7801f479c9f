#include "spare_memory.h"

#include <sys/mman.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif

void spare_memory_trim_malloc(void) {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

void spare_memory_drop(void *memory, size_t size) { madvise(memory, size, MADV_DONTNEED); }
