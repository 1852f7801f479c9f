#ifdef __aarch64__
#define RS_WIDTH 16
#include "rs_kernel.h"

const struct rs_codec rs_neon = {"NEON", rs_encode, rs_decode};
#endif
