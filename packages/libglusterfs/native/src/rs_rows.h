/* Machine code for the rows of a matrix: chunks out = matrix · chunks in, stripe after stripe. */
#pragma once
#include "rs_assembler.h"

/*
 * Where the chunks of the first stripe lie, and how many stripes there are: one or more. `scratch` is room for a stripe, at a multiple of a vector's
 * size.
 */
typedef void rs_rows_function(const uint8_t *const *in, uint8_t *const *out, size_t stripes, uint8_t *scratch);

struct rs_rows {
  /* `count` rows of `k` factors. */
  unsigned k, count;
  const uint8_t *matrix;
  /* How far the chunks lie from the same ones of the stripe before, in bytes. */
  int32_t in_step, out_step;
  /* Each stripe brings the next one near. */
  int prefetch;
  /* The source's vectors straddle cache lines. */
  int unaligned;
};

/* Appends an rs_rows_function. */
void rs_rows_emit(struct rs_assembler *as, const struct rs_rows *rows);
