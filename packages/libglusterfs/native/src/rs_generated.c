/* The levels that generate code for each matrix. Where no code can be had for one, the level without generating does the work. */
#ifdef __x86_64__
#include "rs.h"
#include "rs_code.h"

/* AVX2's vectors are half a line: of a source that is aligned to 16 bytes, every second one straddles. That is not worth a copy. */
static int straddles(unsigned width, const uint8_t *const *in, unsigned k) {
  for (unsigned c = 0; c < k; c++)
    if (width == 64 && (uintptr_t)in[c] % 64 != 0) return 1;
  return 0;
}

static void encode(unsigned width, const struct rs_codec *other, unsigned k, unsigned bricks, const int32_t *brick, const uint8_t *data, size_t stripes, uint8_t *const *fragments) {
  uint8_t numbers[RS_BRICKS_MAX];
  const uint8_t *in[RS_K_MAX];
  uint8_t *out[RS_BRICKS_MAX];
  for (unsigned j = 0; j < k; j++) in[j] = data + j * RS_CHUNK;
  for (unsigned i = 0; i < bricks; i++) {
    numbers[i] = (uint8_t)(brick[i] + 1);
    out[i] = fragments[i];
  }
  struct rs_shape shape = {
    .width = width,
    .k = k,
    .rows = bricks,
    .in_step = (int32_t)k * RS_CHUNK,
    .out_step = RS_CHUNK,
    .unaligned = straddles(width, in, k),
    .encode = 1,
  };
  struct rs_code *code = rs_code_take(&shape, numbers);
  if (!code) {
    other->encode(k, bricks, brick, data, stripes, fragments);
    return;
  }
  rs_code_run(code, in, out, stripes);
  rs_code_release(code);
}

static void decode(unsigned width, const struct rs_codec *other, unsigned k, const uint8_t *matrix, const uint8_t *const *fragments, size_t stripes, uint8_t *data) {
  const uint8_t *in[RS_K_MAX];
  uint8_t *out[RS_K_MAX];
  for (unsigned j = 0; j < k; j++) {
    in[j] = fragments[j];
    out[j] = data + j * RS_CHUNK;
  }
  struct rs_shape shape = {.width = width, .k = k, .rows = k, .in_step = RS_CHUNK, .out_step = (int32_t)k * RS_CHUNK, .unaligned = straddles(width, in, k)};
  struct rs_code *code = rs_code_take(&shape, matrix);
  if (!code) {
    other->decode(k, matrix, fragments, stripes, data);
    return;
  }
  rs_code_run(code, in, out, stripes);
  rs_code_release(code);
}

static void encode_avx512(unsigned k, unsigned bricks, const int32_t *brick, const uint8_t *data, size_t stripes, uint8_t *const *fragments) {
  encode(64, &rs_avx512, k, bricks, brick, data, stripes, fragments);
}

static void decode_avx512(unsigned k, const uint8_t *matrix, const uint8_t *const *fragments, size_t stripes, uint8_t *data) {
  decode(64, &rs_avx512, k, matrix, fragments, stripes, data);
}

/* Horner's scheme with brick numbers, as compiled, is faster than generated sums where instructions add up only two vectors. */
static void encode_avx2(unsigned k, unsigned bricks, const int32_t *brick, const uint8_t *data, size_t stripes, uint8_t *const *fragments) {
  rs_avx2.encode(k, bricks, brick, data, stripes, fragments);
}

static void decode_avx2(unsigned k, const uint8_t *matrix, const uint8_t *const *fragments, size_t stripes, uint8_t *data) {
  decode(32, &rs_avx2, k, matrix, fragments, stripes, data);
}

const struct rs_codec rs_generated_avx512 = {"AVX-512 generated", encode_avx512, decode_avx512};
const struct rs_codec rs_generated_avx2 = {"AVX2 generated", encode_avx2, decode_avx2};
#endif
