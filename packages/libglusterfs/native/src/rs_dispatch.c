#include "rs.h"
#include "rs_code.h"

unsigned rs_codecs(const struct rs_codec *codecs[RS_CODECS_MAX]) {
  unsigned count = 0;
#ifdef __x86_64__
  __builtin_cpu_init();
  int avx512 = __builtin_cpu_supports("avx512f"), avx2 = __builtin_cpu_supports("avx2"), allowed = rs_code_allowed();
  if (avx512 && allowed) codecs[count++] = &rs_generated_avx512;
  if (avx2 && allowed) codecs[count++] = &rs_generated_avx2;
  if (avx512) codecs[count++] = &rs_avx512;
  if (avx2) codecs[count++] = &rs_avx2;
#endif
#ifdef __aarch64__
  codecs[count++] = &rs_neon;
#endif
  codecs[count++] = &rs_portable;
  return count;
}
