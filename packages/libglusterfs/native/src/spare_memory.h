// Memory that a process has and doesn't use, given back to the kernel.
#pragma once

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

// What malloc keeps free, of all threads' arenas, by whole pages.
void spare_memory_trim_malloc(void);

// The pages of [memory, memory + size): they are zeros when they are next looked at.
void spare_memory_drop(void *memory, size_t size);

#ifdef __cplusplus
}
#endif
