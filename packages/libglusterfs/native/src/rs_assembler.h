/* The few x86-64 instructions that the generated code is made of. Vectors are of 64 bytes (AVX-512) or 32 (AVX2). */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* General registers, by their numbers in instructions. The ones that hold a System V function's arguments are among them. */
enum rs_register { RS_RAX = 0, RS_RCX = 1, RS_RDX = 2, RS_NO_INDEX = 4, RS_RSI = 6, RS_RDI = 7, RS_R8 = 8, RS_R9 = 9, RS_R10 = 10 };

struct rs_assembler {
  uint8_t *code;
  /* Past `room` nothing is written, but `length` goes on: it tells how much would have been needed. */
  size_t length, room;
  /* Bytes of a vector: 64 or 32. */
  unsigned width;
};

/* Memory at [base + index + displacement]. base: RAX, RCX, RDX, RSI or RDI; index: any or RS_NO_INDEX. */
struct rs_address {
  enum rs_register base, index;
  int32_t displacement;
};

void rs_load_vector(struct rs_assembler *as, unsigned to, struct rs_address from);
void rs_store_vector(struct rs_assembler *as, struct rs_address to, unsigned from);
void rs_copy_vector(struct rs_assembler *as, unsigned to, unsigned from);
/* to = a ^ b */
void rs_xor2(struct rs_assembler *as, unsigned to, unsigned a, unsigned b);
void rs_xor2_memory(struct rs_assembler *as, unsigned to, unsigned a, struct rs_address b);
/* to ^= a ^ b; with AVX-512 only */
void rs_xor3(struct rs_assembler *as, unsigned to, unsigned a, unsigned b);
/* Brings the cache line at `at` near. */
void rs_prefetch(struct rs_assembler *as, struct rs_address at);
/* to = 64 bits at [base + displacement] */
void rs_load_pointer(struct rs_assembler *as, enum rs_register to, enum rs_register base, int32_t displacement);
void rs_clear(struct rs_assembler *as, enum rs_register to);
void rs_add_number(struct rs_assembler *as, enum rs_register to, int32_t number);
/* Counts `count` down and goes to the offset `target` of the code unless it is 0. */
void rs_loop(struct rs_assembler *as, enum rs_register count, size_t target);
void rs_return(struct rs_assembler *as);
