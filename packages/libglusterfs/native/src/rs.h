/* GlusterFS's erasure code over bit planes (spec/ec.md, section 2). Buffers are whole stripes, unaligned, and don't overlap. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { RS_CHUNK = 512, RS_PLANE = 64, RS_K_MAX = 16, RS_BRICKS_MAX = 31, RS_CODECS_MAX = 5 };

struct rs_codec {
  const char *name;
  void (*encode)(unsigned k, unsigned bricks, const int32_t *brick, const uint8_t *data, size_t stripes, uint8_t *const *fragments);
  /* `matrix`: k rows of k factors, which turn the fragments into the chunks. */
  void (*decode)(unsigned k, const uint8_t *matrix, const uint8_t *const *fragments, size_t stripes, uint8_t *data);
};

extern const struct rs_codec rs_portable, rs_avx2, rs_avx512, rs_generated_avx2, rs_generated_avx512, rs_neon;

/* The codecs that this processor can run, fastest first; returns how many. */
unsigned rs_codecs(const struct rs_codec *codecs[RS_CODECS_MAX]);

#ifdef __cplusplus
}
#endif
