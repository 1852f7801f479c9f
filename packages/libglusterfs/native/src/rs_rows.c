#include "rs_rows.h"

#include "rs_sums.h"

/* As many rows as there are registers for. */
static void emit_group(struct rs_sums *sums, const struct rs_rows *rows, unsigned first) {
  struct rs_assembler *as = sums->as;
  unsigned at_once = sums->layout.sums / 8, some = rows->count - first < at_once ? rows->count - first : at_once;
  unsigned group = first / at_once, groups = (rows->count + at_once - 1) / at_once;
  sums->begun = 0;
  sums->source = groups == 1 || !rows->unaligned ? RS_IN_PLACE : group == 0 ? RS_INTO_SCRATCH : RS_FROM_SCRATCH;
  for (unsigned c = 0; c < rows->k; c++) {
    uint8_t factors[RS_NETWORK_TARGETS / 8] = {0};
    for (unsigned i = 0; i < some; i++) factors[i] = rows->matrix[(first + i) * rows->k + c];
    int prefetch = rows->prefetch && c % groups == group && sums->column == 0;
    sums->chunk = c;
    if (prefetch || sums->source != RS_FROM_SCRATCH) rs_load_pointer(as, RS_POINTER, RS_IN, (int32_t)(8 * c));
    if (prefetch)
      for (unsigned b = 0; b < 8; b++) rs_prefetch(as, (struct rs_address){RS_POINTER, RS_IN_OFFSET, rows->in_step + (int32_t)(b * RS_PLANE)});
    rs_sums_add(sums, some, factors);
  }
  for (unsigned i = 0; i < some; i++) {
    rs_load_pointer(as, RS_POINTER, RS_OUT, (int32_t)(8 * (first + i)));
    rs_sums_store(sums, i, (struct rs_address){RS_POINTER, RS_OUT_OFFSET, 0});
  }
}

void rs_rows_emit(struct rs_assembler *as, const struct rs_rows *rows) {
  /* 2+1, whose factors are small, reads its source once. */
  struct rs_sums sums = rs_sums_begin(as, rows->k == 2 && rows->count == 3 ? 3 : 2);
  rs_clear(as, RS_IN_OFFSET);
  rs_clear(as, RS_OUT_OFFSET);
  size_t begin = as->length;
  for (unsigned first = 0; first < rows->count; first += sums.layout.sums / 8)
    for (sums.column = 0; sums.column < RS_PLANE; sums.column += as->width) emit_group(&sums, rows, first);
  rs_add_number(as, RS_IN_OFFSET, rows->in_step);
  rs_add_number(as, RS_OUT_OFFSET, rows->out_step);
  rs_loop(as, RS_STRIPES, begin);
  rs_return(as);
}
