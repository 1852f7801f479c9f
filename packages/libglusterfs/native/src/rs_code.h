/* Generated code of whole matrices, kept for the next time. All functions may be called from any thread. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct rs_code;

/* What code depends on, but for the rows. */
struct rs_shape {
  /* Bytes of a vector. */
  unsigned width;
  /* Chunks in and out, and how far it is to those of the next stripe, in bytes. */
  unsigned k, rows;
  int32_t in_step, out_step;
  /* The source's vectors straddle cache lines: 0 or 1. */
  int unaligned;
  /* The rows are the encode matrix's, given by the numbers of the bricks (1, 2, …), not by their factors: 0 or 1. */
  int encode;
};

/* Whether this system lets a process make code: it may not, under SELinux or seccomp. Asked once. */
int rs_code_allowed(void);

/*
 * The code for shape->rows rows: of shape->k factors each, or for encoding of one brick number each. Made if it isn't there. NULL when there is no memory for it
 * or all that is kept is in use. To be given back with rs_code_release.
 */
struct rs_code *rs_code_take(const struct rs_shape *shape, const uint8_t *rows);
void rs_code_release(struct rs_code *code);

/*
 * Chunks out = matrix · chunks in. `in` and `out` say where the chunks of the first stripe are, and are changed.
 */
void rs_code_run(const struct rs_code *code, const uint8_t **in, uint8_t **out, size_t stripes);
