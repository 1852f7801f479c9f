#include "rs_rows.h"

#include "rs.h"
#include "rs_network.h"

/* Registers of a generated function: its arguments, then its own. */
static const enum rs_register IN = RS_RDI, OUT = RS_RSI, STRIPES = RS_RDX, SCRATCH = RS_RCX, IN_OFFSET = RS_R9, OUT_OFFSET = RS_R10, CHUNK = RS_RAX;

/* Vector registers: sums from 0 on, then the source's planes, then temporaries. */
struct layout {
  unsigned sums, planes, temps;
};

/* With AVX-512's 32 registers every plane has one; with AVX2's 16 only those that are used most. */
static struct layout layout_of(unsigned width) {
  return width == 64 ? (struct layout){16, 8, 8} : (struct layout){8, 4, 4};
}

/*
 * Where the planes are read. Two loads a cycle need vectors that don't straddle cache lines, and JavaScript's memory is aligned to 16 bytes only:
 * with several groups of rows the first one leaves such a source in the scratch, from where the others take it.
 */
enum source { IN_PLACE, INTO_SCRATCH, FROM_SCRATCH };

struct emitter {
  struct rs_assembler *as;
  struct layout layout;
  /* Column of the planes, in bytes: 0, and 32 where a vector is half a plane. */
  unsigned column;
  /* Where each value of the network is: a register, or RS_NETWORK_NONE for a plane in memory. */
  uint8_t place[RS_NETWORK_PLANES + RS_NETWORK_TEMPS];
  /* Sums that hold something already, one bit each. */
  uint32_t begun;
  /* The chunk that is being added. */
  unsigned chunk;
  enum source source;
};

static struct rs_address scratch_address(const struct emitter *e, unsigned plane) {
  return (struct rs_address){SCRATCH, RS_NO_INDEX, (int32_t)(e->chunk * RS_CHUNK + plane * RS_PLANE + e->column)};
}

static struct rs_address source_address(const struct emitter *e, unsigned plane) {
  if (e->source == FROM_SCRATCH) return scratch_address(e, plane);
  return (struct rs_address){CHUNK, IN_OFFSET, (int32_t)(plane * RS_PLANE + e->column)};
}

/* to = from */
static void set(struct emitter *e, unsigned to, unsigned value) {
  if (e->place[value] == RS_NETWORK_NONE) rs_load_vector(e->as, to, source_address(e, value));
  else rs_copy_vector(e->as, to, e->place[value]);
}

/* to ^= value */
static void add(struct emitter *e, unsigned to, unsigned value) {
  if (e->place[value] == RS_NETWORK_NONE) rs_xor2_memory(e->as, to, to, source_address(e, value));
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
  unsigned least = e->source == INTO_SCRATCH ? 0 : e->layout.planes == RS_NETWORK_PLANES ? 1 : 2, room = e->layout.planes, next = e->layout.sums, chosen = 0;
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
    if (e->source == INTO_SCRATCH) rs_store_vector(e->as, scratch_address(e, v), e->place[v]);
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
      rs_store_vector(e->as, (struct rs_address){CHUNK, OUT_OFFSET, (int32_t)(b * RS_PLANE + e->column)}, sum);
    }
  }
}

/* As many rows as there are registers for. */
static void emit_group(struct emitter *e, const struct rs_rows *rows, unsigned first) {
  unsigned at_once = e->layout.sums / 8, some = rows->count - first < at_once ? rows->count - first : at_once;
  unsigned group = first / at_once, groups = (rows->count + at_once - 1) / at_once;
  e->begun = 0;
  e->source = groups == 1 || !rows->unaligned ? IN_PLACE : group == 0 ? INTO_SCRATCH : FROM_SCRATCH;
  for (unsigned c = 0; c < rows->k; c++) {
    uint8_t factors[RS_NETWORK_TARGETS / 8] = {0};
    for (unsigned i = 0; i < some; i++) factors[i] = rows->matrix[(first + i) * rows->k + c];
    int prefetch = rows->prefetch && c % groups == group && e->column == 0;
    e->chunk = c;
    if (prefetch || e->source != FROM_SCRATCH) rs_load_pointer(e->as, CHUNK, IN, (int32_t)(8 * c));
    if (prefetch)
      for (unsigned b = 0; b < 8; b++) rs_prefetch(e->as, (struct rs_address){CHUNK, IN_OFFSET, rows->in_step + (int32_t)(b * RS_PLANE)});
    emit_chunk(e, some, factors);
  }
  emit_store(e, first, some);
}

void rs_rows_emit(struct rs_assembler *as, const struct rs_rows *rows) {
  struct emitter e = {.as = as, .layout = layout_of(as->width)};
  rs_clear(as, IN_OFFSET);
  rs_clear(as, OUT_OFFSET);
  size_t begin = as->length;
  for (unsigned first = 0; first < rows->count; first += e.layout.sums / 8)
    for (e.column = 0; e.column < RS_PLANE; e.column += as->width) emit_group(&e, rows, first);
  rs_add_number(as, IN_OFFSET, rows->in_step);
  rs_add_number(as, OUT_OFFSET, rows->out_step);
  rs_loop(as, STRIPES, begin);
  rs_return(as);
}
