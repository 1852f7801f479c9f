/* The code for vectors of RS_WIDTH bytes; each level includes it with its own width and compiler flags. */
#include "rs.h"
#include "rs_network.h"

typedef uint64_t rs_vec __attribute__((vector_size(RS_WIDTH), aligned(1), may_alias));
#define RS_INLINE static inline __attribute__((always_inline))

RS_INLINE void rs_load(rs_vec *a, const uint8_t *from) {
  for (int b = 0; b < 8; b++) a[b] = *(const rs_vec *)(from + b * RS_PLANE);
}

RS_INLINE void rs_add(rs_vec *a, const uint8_t *from) {
  for (int b = 0; b < 8; b++) a[b] ^= *(const rs_vec *)(from + b * RS_PLANE);
}

RS_INLINE void rs_store(const rs_vec *a, uint8_t *to) {
  for (int b = 0; b < 8; b++) *(rs_vec *)(to + b * RS_PLANE) = a[b];
}

RS_INLINE void rs_double(rs_vec *a) {
  rs_vec top = a[7];
  a[7] = a[6];
  a[6] = a[5];
  a[5] = a[4];
  a[4] = a[3] ^ top;
  a[3] = a[2] ^ top;
  a[2] = a[1] ^ top;
  a[1] = a[0];
  a[0] = top;
}

RS_INLINE void rs_multiply(rs_vec *a, unsigned v) {
  rs_vec one[8];
  for (int b = 0; b < 8; b++) one[b] = a[b];
  for (int bit = 30 - __builtin_clz(v); bit >= 0; bit--) {
    rs_double(a);
    if ((v >> bit) & 1)
      for (int b = 0; b < 8; b++) a[b] ^= one[b];
  }
}

RS_INLINE void rs_row(unsigned v, unsigned k, const uint8_t *data, uint8_t *fragment) {
  for (unsigned column = 0; column < RS_PLANE; column += RS_WIDTH) {
    rs_vec a[8];
    rs_load(a, data + column);
    for (unsigned j = 1; j < k; j++) {
      rs_multiply(a, v);
      rs_add(a, data + j * RS_CHUNK + column);
    }
    rs_store(a, fragment + column);
  }
}

#define RS_ROWS(F) \
  F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10) F(11) F(12) F(13) F(14) F(15) F(16) \
  F(17) F(18) F(19) F(20) F(21) F(22) F(23) F(24) F(25) F(26) F(27) F(28) F(29) F(30) F(31)
#define RS_CASE(V) case V: rs_row(V, k, stripe, to); break;

static void rs_encode(unsigned k, unsigned bricks, const int32_t *brick, const uint8_t *data, size_t stripes, uint8_t *const *fragments) {
  for (size_t s = 0; s < stripes; s++) {
    const uint8_t *stripe = data + s * k * RS_CHUNK;
    for (unsigned i = 0; i < bricks; i++) {
      uint8_t *to = fragments[i] + s * RS_CHUNK;
      switch (brick[i] + 1) { RS_ROWS(RS_CASE) }
    }
  }
}

/* Sums of the planes 0-3 and 4-7 of a fragment, by the bits of their number: two of them give any sum of its planes. */
RS_INLINE void rs_tables(const uint8_t *fragment, rs_vec tables[2][16]) {
  for (int half = 0; half < 2; half++) {
    tables[half][0] = (rs_vec){0};
#pragma GCC unroll 16
    for (int i = 1; i < 16; i++) {
      rs_vec plane = *(const rs_vec *)(fragment + (half * 4 + __builtin_ctz(i)) * RS_PLANE);
      tables[half][i] = tables[half][i & (i - 1)] ^ plane;
    }
  }
}

static void rs_decode(unsigned k, const uint8_t *matrix, const uint8_t *const *fragments, size_t stripes, uint8_t *data) {
  uint8_t factors[RS_K_MAX][RS_K_MAX][8];
  for (unsigned j = 0; j < k; j++)
    for (unsigned c = 0; c < k; c++) rs_network_factor(matrix[j * k + c], factors[j][c]);
  rs_vec tables[RS_K_MAX][2][16] __attribute__((aligned(64)));
  for (size_t s = 0; s < stripes; s++) {
    for (unsigned column = 0; column < RS_PLANE; column += RS_WIDTH) {
      for (unsigned c = 0; c < k; c++) rs_tables(fragments[c] + s * RS_CHUNK + column, tables[c]);
      for (unsigned j = 0; j < k; j++) {
        rs_vec a[8] = {{0}};
        for (unsigned c = 0; c < k; c++) {
          const uint8_t *planes = factors[j][c];
#pragma GCC unroll 8
          for (int b = 0; b < 8; b++) a[b] ^= tables[c][0][planes[b] & 15] ^ tables[c][1][planes[b] >> 4];
        }
        rs_store(a, data + (s * k + j) * RS_CHUNK + column);
      }
    }
  }
}
