#include "rs_sums.h"

/* With AVX-512's 32 registers every plane has one; with AVX2's 16 only those that are used most. */
struct rs_sums rs_sums_begin(struct rs_assembler *as, unsigned rows) {
  struct rs_sums sums = {.as = as, .layout = {8, 4, 4}};
  if (as->width == 64) sums.layout = rows == 3 ? (struct rs_layout){24, 8, 0} : (struct rs_layout){16, 8, 8};
  return sums;
}

struct rs_address rs_sums_scratch(const struct rs_sums *e, unsigned chunk, unsigned plane) {
  return (struct rs_address){RS_SCRATCH, RS_NO_INDEX, (int32_t)(chunk * RS_CHUNK + plane * RS_PLANE + e->column)};
}

static struct rs_address source_address(const struct rs_sums *e, unsigned plane) {
  if (e->source == RS_FROM_SCRATCH) return rs_sums_scratch(e, e->chunk, plane);
  return (struct rs_address){RS_POINTER, RS_IN_OFFSET, (int32_t)(plane * RS_PLANE + e->column)};
}

/* to = from */
static void set(struct rs_sums *e, unsigned to, unsigned value) {
  if (e->place[value] == RS_NETWORK_NONE) rs_load_vector(e->as, to, source_address(e, value));
  else rs_copy_vector(e->as, to, e->place[value]);
}

/* to ^= value */
static void add(struct rs_sums *e, unsigned to, unsigned value) {
  if (e->place[value] == RS_NETWORK_NONE) rs_xor2_memory(e->as, to, to, source_address(e, value));
  else rs_xor2(e->as, to, to, e->place[value]);
}

static unsigned take(uint16_t *values) {
  unsigned value = (unsigned)__builtin_ctz(*values);
  *values &= (uint16_t)(*values - 1);
  return value;
}

/* One instruction's worth of `values` goes into a sum. */
static void add_some(struct rs_sums *e, unsigned sum, uint16_t *values) {
  unsigned first = take(values);
  if (e->as->width == 64 && *values != 0) {
    unsigned second = take(values);
    if ((e->begun >> sum) & 1) {
      rs_xor3(e->as, sum, e->place[first], e->place[second]);
    } else if (__builtin_popcount(*values) % 2 == 0) {
      rs_xor2(e->as, sum, e->place[first], e->place[second]);
    } else {
      rs_copy_vector(e->as, sum, e->place[take(values)]);
      rs_xor3(e->as, sum, e->place[first], e->place[second]);
    }
  } else if ((e->begun >> sum) & 1) {
    add(e, sum, first);
  } else {
    set(e, sum, first);
  }
  e->begun |= 1u << sum;
}

static unsigned uses(const struct rs_network *network, unsigned value) {
  unsigned count = 0;
  for (unsigned i = 0; i < network->targets; i++) count += (network->target[i] >> value) & 1;
  for (unsigned t = 0; t < network->temps; t++)
    for (unsigned i = 0; i < 3; i++) count += network->temp[t][i] == value;
  return count;
}

/*
 * Loads planes into registers: the most used ones when there are not enough, in the order of their addresses. A plane used once is taken from
 * memory unless registers abound.
 */
static void place_planes(struct rs_sums *e, const struct rs_network *network) {
  unsigned least = e->source == RS_INTO_SCRATCH ? 0 : e->layout.planes == RS_NETWORK_PLANES ? 1 : 2, room = e->layout.planes, next = e->layout.sums, chosen = 0;
  for (unsigned count = RS_NETWORK_TARGETS + RS_NETWORK_TEMPS + 1; count-- > least;) {
    for (unsigned v = 0; v < RS_NETWORK_PLANES && room > 0; v++) {
      if (uses(network, v) != count) continue;
      chosen |= 1u << v;
      room--;
    }
  }
  for (unsigned v = 0; v < RS_NETWORK_PLANES; v++) {
    e->place[v] = (chosen >> v) & 1 ? (uint8_t)next++ : RS_NETWORK_NONE;
    if (e->place[v] == RS_NETWORK_NONE) continue;
    rs_load_vector(e->as, e->place[v], source_address(e, v));
    if (e->source == RS_INTO_SCRATCH) rs_store_vector(e->as, rs_sums_scratch(e, e->chunk, v), e->place[v]);
  }
}

static void make_temps(struct rs_sums *e, const struct rs_network *network) {
  for (unsigned t = 0; t < network->temps; t++) {
    unsigned to = e->layout.sums + e->layout.planes + t;
    const uint8_t *of = network->temp[t];
    e->place[RS_NETWORK_PLANES + t] = (uint8_t)to;
    if (of[2] != RS_NETWORK_NONE) {
      set(e, to, of[0]);
      rs_xor3(e->as, to, e->place[of[1]], e->place[of[2]]);
    } else if (e->place[of[0]] != RS_NETWORK_NONE && e->place[of[1]] != RS_NETWORK_NONE) {
      rs_xor2(e->as, to, e->place[of[0]], e->place[of[1]]);
    } else {
      set(e, to, of[0]);
      add(e, to, of[1]);
    }
  }
}

void rs_sums_add(struct rs_sums *e, unsigned rows, const uint8_t *factors) {
  uint8_t sums[RS_NETWORK_TARGETS];
  for (unsigned i = 0; i < rows; i++) rs_network_factor(factors[i], &sums[8 * i]);
  struct rs_network network;
  rs_network_make(sums, 8 * rows, e->as->width == 64 ? 3 : 2, e->layout.temps, &network);
  place_planes(e, &network);
  make_temps(e, &network);
  for (int left = 1; left;) {
    left = 0;
    for (unsigned i = 0; i < network.targets; i++) {
      if (network.target[i] != 0) add_some(e, i, &network.target[i]);
      left |= network.target[i];
    }
  }
}

void rs_sums_store(struct rs_sums *e, unsigned row, struct rs_address to) {
  for (unsigned b = 0; b < 8; b++) {
    unsigned sum = 8 * row + b;
    if (!((e->begun >> sum) & 1)) rs_xor2(e->as, sum, sum, sum);
    rs_store_vector(e->as, (struct rs_address){to.base, to.index, to.displacement + (int32_t)(b * RS_PLANE + e->column)}, sum);
  }
}
