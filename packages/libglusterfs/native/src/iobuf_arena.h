// Memory for payload: page-aligned, given back to the kernel when the arena goes.
#pragma once
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

void *iobuf_arena_map(size_t size);
void iobuf_arena_unmap(void *memory, size_t size);

#ifdef __cplusplus
}
#endif
