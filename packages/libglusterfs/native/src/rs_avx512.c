#ifdef __x86_64__
#define RS_WIDTH 64
#include "rs_kernel.h"

const struct rs_codec rs_avx512 = {"AVX-512", rs_encode, rs_decode};
#endif
