/*
 * Machine code for encoding with about half the products. A stripe is a polynomial f, brick v - 1 holds f(v) (spec/ec.md, section 2.2). With
 * s = x^2 + x every f is a(s) + x b(s), and finding a and b takes sums only. The numbers v and v + 1, v even, have the same s: b(s) and
 * a(s) + v b(s) are f(v + 1) - f(v) and f(v), so that a pair of bricks takes k + 1 products instead of 2k. This is the first step of an additive
 * Fourier transform (S. Gao, T. Mateer, "Additive Fast Fourier Transforms over Finite Fields", 2010).
 */
#pragma once
#include "rs_assembler.h"

enum { RS_PAIRS_SCRATCH = 18 };

/*
 * Into how many functions encoding for bricks with these numbers v = 1, 2, … is best split; 0 when the products that pairs save are fewer than what
 * finding a and b costs.
 */
unsigned rs_pairs_functions(unsigned k, const uint8_t *numbers, unsigned count);

/*
 * Appends one of the functions, an rs_rows_function (rs_rows.h) for `count` bricks: the chunks of a stripe lie one after another, `out` has all bricks,
 * and the scratch has room for RS_PAIRS_SCRATCH chunks. With AVX-512 only.
 */
void rs_pairs_emit(struct rs_assembler *as, unsigned k, const uint8_t *numbers, unsigned count, unsigned function, unsigned functions);
