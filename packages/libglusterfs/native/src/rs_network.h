/* How to add products by constants to sums with few XORs, as planes (spec/ec.md, section 2.3). Knows no instruction set. */
#pragma once
#include <stdint.h>

enum { RS_NETWORK_PLANES = 8, RS_NETWORK_TEMPS = 8, RS_NETWORK_TARGETS = 24, RS_NETWORK_NONE = 255 };

/* Values are numbered: 0-7 the planes of the source, 8 and on the temporaries in the order in which they are made. */
struct rs_network {
  unsigned temps, targets;
  /* The values that a temporary is the sum of: two or three (the third may be RS_NETWORK_NONE). */
  uint8_t temp[RS_NETWORK_TEMPS][3];
  /* The values to be added to each target, one bit a value. */
  uint16_t target[RS_NETWORK_TARGETS];
};

/* What plane b of the product by `factor` is the sum of: planes[b], one bit a plane of the source. */
void rs_network_factor(uint8_t factor, uint8_t planes[8]);

/* Sums of planes for the targets. `arity`: how many values an instruction adds up (2 or 3); at most `temps` temporaries are made. */
void rs_network_make(const uint8_t *sums, unsigned targets, unsigned arity, unsigned temps, struct rs_network *network);
