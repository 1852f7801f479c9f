/* Generated code of whole matrices, kept for the next time. All functions may be called from any thread. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct rs_code;

/* Whether this system lets a process make code: it may not, under SELinux or seccomp. Asked once. */
int rs_code_allowed(void);

/*
 * The code for a matrix of `rows` rows of `k` factors, for vectors of `width` bytes; made if it isn't there. NULL when there is no memory for it
 * or all that is kept is in use. To be given back with rs_code_release.
 */
struct rs_code *rs_code_take(unsigned width, unsigned k, unsigned rows, const uint8_t *matrix);
void rs_code_release(struct rs_code *code);

/*
 * Chunks out = matrix · chunks in. `in` and `out` say where the k and `rows` chunks of the first stripe are, the steps how far it is to those of the
 * next one, in bytes. `in` and `out` are changed.
 */
void rs_code_run(const struct rs_code *code, const uint8_t **in, size_t in_step, uint8_t **out, size_t out_step, size_t stripes);
