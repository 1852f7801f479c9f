#ifdef __x86_64__
#define RS_WIDTH 32
#include "rs_kernel.h"

const struct rs_codec rs_avx2 = {"AVX2", rs_encode, rs_decode};
#endif
