/* Machine code for sums of products, which stay in vector registers while chunk after chunk is added. */
#pragma once
#include "rs.h"
#include "rs_assembler.h"
#include "rs_network.h"

/* Registers of a generated function (rs_rows.h): its arguments, then its own. */
#define RS_IN RS_RDI
#define RS_OUT RS_RSI
#define RS_STRIPES RS_RDX
#define RS_SCRATCH RS_RCX
#define RS_IN_OFFSET RS_R9
#define RS_OUT_OFFSET RS_R10
#define RS_POINTER RS_RAX

/* Vector registers: sums from 0 on, eight a row, then the source's planes, then temporaries. */
struct rs_layout {
  unsigned sums, planes, temps;
};

/*
 * Where the planes are read. Two loads a cycle need vectors that don't straddle cache lines, and JavaScript's memory is aligned to 16 bytes only:
 * a source that is read more than once may be left in the scratch on the way.
 */
enum rs_source { RS_IN_PLACE, RS_INTO_SCRATCH, RS_FROM_SCRATCH };

struct rs_sums {
  struct rs_assembler *as;
  struct rs_layout layout;
  /* Column of the planes, in bytes: 0, and 32 where a vector is half a plane. */
  unsigned column;
  /* Where each value of the network is: a register, or RS_NETWORK_NONE for a plane in memory. */
  uint8_t place[RS_NETWORK_PLANES + RS_NETWORK_TEMPS];
  /* Sums that hold something already, one bit each; 0 begins new ones. */
  uint32_t begun;
  /* The chunk to be added: its place in the scratch. Where it is read in place, RS_POINTER and RS_IN_OFFSET say where. */
  unsigned chunk;
  enum rs_source source;
};

/* For up to two rows at once, or three where that leaves enough registers: with AVX-512, and without temporaries. */
struct rs_sums rs_sums_begin(struct rs_assembler *as, unsigned rows);
struct rs_address rs_sums_scratch(const struct rs_sums *sums, unsigned chunk, unsigned plane);
/* Adds the products of the chunk by the factors of the rows. */
void rs_sums_add(struct rs_sums *sums, unsigned rows, const uint8_t *factors);
/* Stores a row's sums; `to` is plane 0, column 0 of a chunk. */
void rs_sums_store(struct rs_sums *sums, unsigned row, struct rs_address to);
