/* Machine code for the rows of a matrix: chunks out = matrix · chunks in, stripe after stripe. */
#pragma once
#include "rs_assembler.h"

/* Where the chunks lie: those of the first stripe, and how far it is to the same chunk of the next one, in bytes. */
typedef void rs_rows_function(const uint8_t *const *in, uint8_t *const *out, size_t in_step, size_t out_step, size_t stripes);

/* How many rows a function of this width computes at a time. */
unsigned rs_rows_at_once(unsigned width);

/* Appends an rs_rows_function for `rows` rows (at most rs_rows_at_once) of `k` factors each, for one stripe or more. */
void rs_rows_emit(struct rs_assembler *as, unsigned k, unsigned rows, const uint8_t *matrix);
