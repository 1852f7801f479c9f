#define RS_WIDTH 8
#include "rs_kernel.h"

const struct rs_codec rs_portable = {"C", rs_encode, rs_decode};
