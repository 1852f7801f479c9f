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

void spare_memory_drop(void *memory, size_t size) {
  // Shared memory is only given back when it is taken out of its file.
  if (madvise(memory, size, MADV_REMOVE) < 0) madvise(memory, size, MADV_DONTNEED);
}
