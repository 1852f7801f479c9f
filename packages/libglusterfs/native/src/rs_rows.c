#include "rs_rows.h"

#include "rs.h"
#include "rs_network.h"

/* Registers of a generated function: its arguments, then its own. */
static const enum rs_register IN = RS_RDI, OUT = RS_RSI, STRIPES = RS_RDX, IN_OFFSET = RS_R9, OUT_OFFSET = RS_R10, CHUNK = RS_RAX;

/* Vector registers: sums from 0 on, then the source's planes, then temporaries. */
struct layout {
  unsigned sums, planes, temps;
};

/* With AVX-512's 32 registers every plane has one; with AVX2's 16 only those that are used most. */
static struct layout layout_of(unsigned width) {
  return width == 64 ? (struct layout){16, 8, 8} : (struct layout){8, 4, 4};
}

struct emitter {
  struct rs_assembler *as;
  struct layout layout;
  /* Column of the planes, in bytes: 0, and 32 where a vector is half a plane. */
  unsigned column;
  /* Where each value of the network is: a register, or RS_NETWORK_NONE for a plane in memory. */
  uint8_t place[RS_NETWORK_PLANES + RS_NETWORK_TEMPS];
  /* Sums that hold something already, one bit each. */
  uint32_t begun;
};

static struct rs_address plane_address(const struct emitter *e, enum rs_register offset, unsigned plane) {
  return (struct rs_address){CHUNK, offset, (int32_t)(plane * RS_PLANE + e->column)};
}

/* to = from */
static void set(struct emitter *e, unsigned to, unsigned value) {
  if (e->place[value] == RS_NETWORK_NONE) rs_load_vector(e->as, to, plane_address(e, IN_OFFSET, value));
  else rs_copy_vector(e->as, to, e->place[value]);
}

/* to ^= value */
static void add(struct emitter *e, unsigned to, unsigned value) {
  if (e->place[value] == RS_NETWORK_NONE) rs_xor2_memory(e->as, to, to, plane_address(e, IN_OFFSET, value));
  else rs_xor2(e->as, to, to, e->place[value]);
}

static unsigned take(uint16_t *values) {
  unsigned value = (unsigned)__builtin_ctz(*values);
  *values &= (uint16_t)(*values - 1);
  return value;
}

/* One instruction's worth of `values` goes into a sum. */
static void add_some(struct emitter *e, unsigned sum, uint16_t *values) {
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
static void place_planes(struct emitter *e, const struct rs_network *network) {
  unsigned least = e->layout.planes == RS_NETWORK_PLANES ? 1 : 2, room = e->layout.planes, next = e->layout.sums, chosen = 0;
  for (unsigned count = RS_NETWORK_TARGETS + RS_NETWORK_TEMPS; count >= least; count--) {
    for (unsigned v = 0; v < RS_NETWORK_PLANES && room > 0; v++) {
      if (uses(network, v) != count) continue;
      chosen |= 1u << v;
      room--;
    }
  }
  for (unsigned v = 0; v < RS_NETWORK_PLANES; v++) {
    e->place[v] = (chosen >> v) & 1 ? (uint8_t)next++ : RS_NETWORK_NONE;
    if (e->place[v] != RS_NETWORK_NONE) rs_load_vector(e->as, e->place[v], plane_address(e, IN_OFFSET, v));
  }
}

static void make_temps(struct emitter *e, const struct rs_network *network) {
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

/* Adds the products of one chunk by the factors of all rows. */
static void emit_chunk(struct emitter *e, unsigned rows, const uint8_t *factors) {
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

static void emit_store(struct emitter *e, unsigned first, unsigned rows) {
  for (unsigned i = 0; i < rows; i++) {
    rs_load_pointer(e->as, CHUNK, OUT, (int32_t)(8 * (first + i)));
    for (unsigned b = 0; b < 8; b++) {
      unsigned sum = 8 * i + b;
      if (!((e->begun >> sum) & 1)) rs_xor2(e->as, sum, sum, sum);
      rs_store_vector(e->as, plane_address(e, OUT_OFFSET, b), sum);
    }
  }
}

struct rows {
  unsigned k, count, at_once;
  const uint8_t *matrix;
  int32_t in_step, out_step;
  int prefetch;
};

/* As many rows as there are registers for. */
static void emit_group(struct emitter *e, const struct rows *rows, unsigned first) {
  unsigned some = rows->count - first < rows->at_once ? rows->count - first : rows->at_once;
  unsigned group = first / rows->at_once, groups = (rows->count + rows->at_once - 1) / rows->at_once;
  e->begun = 0;
  for (unsigned c = 0; c < rows->k; c++) {
    uint8_t factors[RS_NETWORK_TARGETS / 8] = {0};
    for (unsigned i = 0; i < some; i++) factors[i] = rows->matrix[(first + i) * rows->k + c];
    rs_load_pointer(e->as, CHUNK, IN, (int32_t)(8 * c));
    if (rows->prefetch && c % groups == group && e->column == 0)
      for (unsigned b = 0; b < 8; b++) rs_prefetch(e->as, (struct rs_address){CHUNK, IN_OFFSET, rows->in_step + (int32_t)(b * RS_PLANE)});
    emit_chunk(e, some, factors);
  }
  emit_store(e, first, some);
}

void rs_rows_emit(struct rs_assembler *as, unsigned k, unsigned count, const uint8_t *matrix, int32_t in_step, int32_t out_step, int prefetch) {
  struct emitter e = {.as = as, .layout = layout_of(as->width)};
  struct rows rows = {.k = k, .count = count, .at_once = e.layout.sums / 8, .matrix = matrix, .in_step = in_step, .out_step = out_step, .prefetch = prefetch};
  rs_clear(as, IN_OFFSET);
  rs_clear(as, OUT_OFFSET);
  size_t begin = as->length;
  for (unsigned first = 0; first < count; first += rows.at_once)
    for (e.column = 0; e.column < RS_PLANE; e.column += as->width) emit_group(&e, &rows, first);
  rs_add_number(as, IN_OFFSET, in_step);
  rs_add_number(as, OUT_OFFSET, out_step);
  rs_loop(as, STRIPES, begin);
  rs_return(as);
}
