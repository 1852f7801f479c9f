#include "rs.h"

unsigned rs_codecs(const struct rs_codec *codecs[4]) {
  unsigned count = 0;
#ifdef __x86_64__
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f")) codecs[count++] = &rs_avx512;
  if (__builtin_cpu_supports("avx2")) codecs[count++] = &rs_avx2;
#endif
#ifdef __aarch64__
  codecs[count++] = &rs_neon;
#endif
  codecs[count++] = &rs_portable;
  return count;
}

void rs_plan_decode(unsigned k, const uint8_t *matrix, struct rs_plan *plan) {
  for (unsigned j = 0; j < k; j++) {
    for (unsigned c = 0; c < k; c++) {
      uint8_t *planes = plan->planes[j][c];
      for (unsigned b = 0; b < 8; b++) planes[b] = 0;
      unsigned product = matrix[j * k + c];
      for (unsigned a = 0; a < 8; a++) {
        for (unsigned b = 0; b < 8; b++) planes[b] |= (uint8_t)(((product >> b) & 1) << a);
        product = product & 0x80 ? (product << 1) ^ 0x11d : product << 1;
      }
    }
  }
}
