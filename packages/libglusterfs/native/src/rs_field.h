/* GF(2^8) with the polynomial 0x11D (spec/ec.md, section 2.1). */
#pragma once
#include <stdint.h>

static inline uint8_t rs_multiply_factors(uint8_t a, uint8_t b) {
  unsigned product = 0;
  for (int bit = 7; bit >= 0; bit--) {
    product <<= 1;
    if (product & 0x100) product ^= 0x11d;
    if ((b >> bit) & 1) product ^= a;
  }
  return (uint8_t)product;
}
