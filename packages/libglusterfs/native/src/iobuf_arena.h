// Memory for payload: page-aligned, given back to the kernel when the arena goes.
#pragma once
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

void *iobuf_arena_map(size_t size);
void iobuf_arena_unmap(void *memory, size_t size);
// Memory that another process can map by its descriptor. NULL when there is none.
void *iobuf_arena_share(size_t size, int *descriptor);
// The same memory in the other process, which reads it; the descriptor is closed. NULL and an errno: it may change its size, is smaller, or can't be mapped.
void *iobuf_arena_borrow(int descriptor, size_t size, int *error);

#ifdef __cplusplus
}
#endif
