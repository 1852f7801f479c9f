/* GlusterFS's erasure code over bit planes (spec/ec.md, section 2). Buffers are whole stripes, unaligned, and don't overlap. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { RS_CHUNK = 512, RS_PLANE = 64, RS_K_MAX = 16, RS_BRICKS_MAX = 31 };

/* For each chunk, fragment and plane of the chunk: the planes of the fragment that go into it, one bit each. */
struct rs_plan {
  uint8_t planes[RS_K_MAX][RS_K_MAX][8];
};

struct rs_codec {
  const char *name;
  void (*encode)(unsigned k, unsigned bricks, const int32_t *brick, const uint8_t *data, size_t stripes, uint8_t *const *fragments);
  void (*decode)(unsigned k, const struct rs_plan *plan, const uint8_t *const *fragments, size_t stripes, uint8_t *data);
};

extern const struct rs_codec rs_portable, rs_avx2, rs_avx512, rs_neon;

/* The codecs that this processor can run, fastest first; returns how many (at most 4). */
unsigned rs_codecs(const struct rs_codec *codecs[4]);
void rs_plan_decode(unsigned k, const uint8_t *matrix, struct rs_plan *plan);

#ifdef __cplusplus
}
#endif
