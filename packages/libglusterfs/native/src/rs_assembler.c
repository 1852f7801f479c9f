/* Encodings: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, sections 2.1 to 2.3 (REX, VEX) and 2.7 (EVEX). */
#include "rs_assembler.h"

#include <string.h>

enum { MAP_0F = 1, MAP_0F3A = 3 };
enum { PREFIX_66 = 1, PREFIX_F3 = 2 };
enum { OP_LOAD = 0x6f, OP_STORE = 0x7f, OP_XOR = 0xef, OP_TERNARY = 0x25 };
/* The truth table of a ^ b ^ c. */
enum { TABLE_XOR3 = 0x96 };

static void byte(struct rs_assembler *as, unsigned value) {
  if (as->length < as->room) as->code[as->length] = (uint8_t)value;
  as->length++;
}

static void word32(struct rs_assembler *as, int32_t value) {
  for (unsigned shift = 0; shift < 32; shift += 8) byte(as, ((uint32_t)value >> shift) & 0xff);
}

/* EVEX or VEX, by width. Extension bits are stored inverted; `x` and `b` extend the operand in ModRM's r/m (or its index and base). */
static void vector_prefix(struct rs_assembler *as, unsigned map, unsigned prefix, unsigned reg, unsigned second, unsigned x, unsigned b) {
  unsigned low = (~reg >> 3 & 1) << 7 | (~x & 1) << 6 | (~b & 1) << 5;
  if (as->width == 64) {
    byte(as, 0x62);
    byte(as, low | (~reg >> 4 & 1) << 4 | map);
    byte(as, 1u << 7 | (~second & 15) << 3 | 1u << 2 | prefix);
    byte(as, 2u << 5 | (~second >> 4 & 1) << 3);
  } else {
    byte(as, 0xc4);
    byte(as, low | map);
    byte(as, (~second & 15) << 3 | 1u << 2 | prefix);
  }
}

static void vector_registers(struct rs_assembler *as, unsigned map, unsigned prefix, unsigned op, unsigned reg, unsigned second, unsigned rm) {
  vector_prefix(as, map, prefix, reg, second, rm >> 4, rm >> 3);
  byte(as, op);
  byte(as, 3u << 6 | (reg & 7) << 3 | (rm & 7));
}

static void vector_memory(struct rs_assembler *as, unsigned prefix, unsigned op, unsigned reg, unsigned second, struct rs_address at) {
  vector_prefix(as, MAP_0F, prefix, reg, second, (unsigned)at.index >> 3, 0);
  byte(as, op);
  /* EVEX counts short displacements in vectors. */
  int32_t unit = as->width == 64 ? 64 : 1;
  int fits = at.displacement % unit == 0 && at.displacement / unit >= -128 && at.displacement / unit <= 127;
  byte(as, (fits ? 1u : 2u) << 6 | (reg & 7) << 3 | 4);
  byte(as, ((unsigned)at.index & 7) << 3 | ((unsigned)at.base & 7));
  if (fits) byte(as, (unsigned)(at.displacement / unit) & 0xff);
  else word32(as, at.displacement);
}

void rs_load_vector(struct rs_assembler *as, unsigned to, struct rs_address from) {
  vector_memory(as, PREFIX_F3, OP_LOAD, to, 0, from);
}

void rs_store_vector(struct rs_assembler *as, struct rs_address to, unsigned from) {
  vector_memory(as, PREFIX_F3, OP_STORE, from, 0, to);
}

void rs_copy_vector(struct rs_assembler *as, unsigned to, unsigned from) {
  vector_registers(as, MAP_0F, PREFIX_66, OP_LOAD, to, 0, from);
}

void rs_xor2(struct rs_assembler *as, unsigned to, unsigned a, unsigned b) {
  vector_registers(as, MAP_0F, PREFIX_66, OP_XOR, to, a, b);
}

void rs_xor2_memory(struct rs_assembler *as, unsigned to, unsigned a, struct rs_address b) {
  vector_memory(as, PREFIX_66, OP_XOR, to, a, b);
}

void rs_xor3(struct rs_assembler *as, unsigned to, unsigned a, unsigned b) {
  vector_registers(as, MAP_0F3A, PREFIX_66, OP_TERNARY, to, a, b);
  byte(as, TABLE_XOR3);
}

static void rex(struct rs_assembler *as, unsigned reg, unsigned rm) {
  byte(as, 0x48 | (reg >> 3 & 1) << 2 | (rm >> 3 & 1));
}

void rs_load_pointer(struct rs_assembler *as, enum rs_register to, enum rs_register base, int32_t displacement) {
  rex(as, to, base);
  byte(as, 0x8b);
  byte(as, 2u << 6 | ((unsigned)to & 7) << 3 | ((unsigned)base & 7));
  word32(as, displacement);
}

static void general_registers(struct rs_assembler *as, unsigned op, unsigned reg, unsigned rm) {
  rex(as, reg, rm);
  byte(as, op);
  byte(as, 3u << 6 | (reg & 7) << 3 | (rm & 7));
}

void rs_clear(struct rs_assembler *as, enum rs_register to) {
  general_registers(as, 0x31, to, to);
}

void rs_add_number(struct rs_assembler *as, enum rs_register to, int32_t number) {
  general_registers(as, 0x81, 0, to);
  word32(as, number);
}

void rs_prefetch(struct rs_assembler *as, struct rs_address at) {
  byte(as, 0x40 | ((unsigned)at.index >> 3) << 1);
  byte(as, 0x0f);
  byte(as, 0x18);
  byte(as, 2u << 6 | 1u << 3 | 4);
  byte(as, ((unsigned)at.index & 7) << 3 | ((unsigned)at.base & 7));
  word32(as, at.displacement);
}

void rs_loop(struct rs_assembler *as, enum rs_register count, size_t target) {
  general_registers(as, 0xff, 1, count);
  byte(as, 0x0f);
  byte(as, 0x85);
  word32(as, (int32_t)((ptrdiff_t)target - (ptrdiff_t)(as->length + 4)));
}

void rs_return(struct rs_assembler *as) {
  /* Code compiled for SSE is slow while the upper halves are in use. */
  byte(as, 0xc5);
  byte(as, 0xf8);
  byte(as, 0x77);
  byte(as, 0xc3);
}
