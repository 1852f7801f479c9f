#include "rs_network.h"

#include <string.h>

enum { VALUES = RS_NETWORK_PLANES + RS_NETWORK_TEMPS };

/* Weights of a common part, in tenths of an instruction saved; making it costs ten. */
enum { SAVES = 10, SHORTENS = 3, WORTH = 15 };

void rs_network_factor(uint8_t factor, uint8_t planes[8]) {
  memset(planes, 0, 8);
  unsigned product = factor;
  for (unsigned a = 0; a < 8; a++) {
    for (unsigned b = 0; b < 8; b++) planes[b] |= (uint8_t)(((product >> b) & 1) << a);
    product = product & 0x80 ? (product << 1) ^ 0x11d : product << 1;
  }
}

struct scores {
  uint16_t pair[VALUES][VALUES];
  uint16_t triple[VALUES][VALUES][VALUES];
};

static void score_target(struct scores *scores, uint16_t target, unsigned arity, unsigned values) {
  unsigned list[VALUES], count = 0;
  for (unsigned v = 0; v < values; v++)
    if ((target >> v) & 1) list[count++] = v;
  /* With three inputs, one of them the sum so far, an instruction takes two values: a pair fewer saves one only if the count is odd. */
  unsigned pair = arity == 2 ? SAVES : count % 2 ? SAVES + SHORTENS : SHORTENS;
  for (unsigned x = 0; x < count; x++) {
    for (unsigned y = x + 1; y < count; y++) {
      scores->pair[list[x]][list[y]] += pair;
      if (arity == 2) continue;
      for (unsigned z = y + 1; z < count; z++) scores->triple[list[x]][list[y]][list[z]] += SAVES;
    }
  }
}

/* The best common part as a mask of values, or 0 when none is worth an instruction. */
static uint16_t best_part(const struct scores *scores, unsigned values) {
  unsigned best = WORTH - 1;
  uint16_t part = 0;
  for (unsigned x = 0; x < values; x++) {
    for (unsigned y = x + 1; y < values; y++) {
      if (scores->pair[x][y] > best) {
        best = scores->pair[x][y];
        part = (uint16_t)(1u << x | 1u << y);
      }
      for (unsigned z = y + 1; z < values; z++) {
        if (scores->triple[x][y][z] > best) {
          best = scores->triple[x][y][z];
          part = (uint16_t)(1u << x | 1u << y | 1u << z);
        }
      }
    }
  }
  return part;
}

void rs_network_make(const uint8_t *sums, unsigned targets, unsigned arity, unsigned temps, struct rs_network *network) {
  network->targets = targets;
  network->temps = 0;
  for (unsigned i = 0; i < targets; i++) network->target[i] = sums[i];
  while (network->temps < temps) {
    unsigned values = RS_NETWORK_PLANES + network->temps;
    struct scores scores;
    memset(&scores, 0, sizeof scores);
    for (unsigned i = 0; i < targets; i++) score_target(&scores, network->target[i], arity, values);
    uint16_t part = best_part(&scores, values);
    if (part == 0) return;
    uint8_t *temp = network->temp[network->temps];
    unsigned count = 0;
    temp[2] = RS_NETWORK_NONE;
    for (unsigned v = 0; v < values; v++)
      if ((part >> v) & 1) temp[count++] = (uint8_t)v;
    for (unsigned i = 0; i < targets; i++)
      if ((network->target[i] & part) == part) network->target[i] = (uint16_t)((network->target[i] & ~part) | 1u << values);
    network->temps++;
  }
}
