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

void rs_plan(unsigned k, const uint8_t *matrix, struct rs_steps *steps) {
  for (unsigned j = 0; j < k; j++) {
    for (unsigned bit = 0; bit < 8; bit++) {
      uint8_t count = 0;
      for (unsigned c = 0; c < k; c++)
        if ((matrix[j * k + c] >> bit) & 1) steps->from[j][bit][count++] = (uint8_t)c;
      steps->count[j][bit] = count;
    }
  }
}
