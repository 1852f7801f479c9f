/* Machine code for the rows of a matrix: chunks out = matrix · chunks in, stripe after stripe. */
#pragma once
#include "rs_assembler.h"

/* Where the chunks of the first stripe lie, and how many stripes there are: one or more. */
typedef void rs_rows_function(const uint8_t *const *in, uint8_t *const *out, size_t stripes);

/*
 * Appends an rs_rows_function for `count` rows of `k` factors each, for chunks that lie `in_step` and `out_step` bytes from the same chunks of the
 * stripe before. `prefetch`: each stripe brings the next one near.
 */
void rs_rows_emit(struct rs_assembler *as, unsigned k, unsigned count, const uint8_t *matrix, int32_t in_step, int32_t out_step, int prefetch);
