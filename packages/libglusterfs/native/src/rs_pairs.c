#include "rs_pairs.h"

#include "rs_field.h"
#include "rs_sums.h"

/* Bricks that are computed together: up to two pairs or, without partners, up to two single ones. */
struct set {
  unsigned count;
  /* Places of v and v + 1 in the list of bricks; the same for a single one. */
  unsigned row[2], partner[2];
};

static unsigned find(const uint8_t *numbers, unsigned count, unsigned number) {
  for (unsigned i = 0; i < count; i++)
    if (numbers[i] == number) return i;
  return count;
}

/* Products of a chunk in a function: the processor keeps about 20 KiB of code decoded. */
enum { FUNCTION_PRODUCTS = 200 };

static int is_pair(const uint8_t *numbers, unsigned count, unsigned i) {
  return numbers[i] % 2 == 0 && find(numbers, count, numbers[i] + 1u) < count;
}

unsigned rs_pairs_functions(unsigned k, const uint8_t *numbers, unsigned count) {
  unsigned pairs = 0;
  for (unsigned i = 0; i < count; i++) {
    /* A brick asked for twice has no partner of its own. */
    if (find(numbers, count, numbers[i]) != i) return 0;
    pairs += is_pair(numbers, count, i);
  }
  if (pairs * (k - 1) <= 3 * k) return 0;
  return (pairs * (k + 1) + (count - 2 * pairs) * k + FUNCTION_PRODUCTS - 1) / FUNCTION_PRODUCTS;
}

/* Leaves the coefficients of a at the even places of the scratch and those of b at the odd ones: f is divided by x^2 + x again and again. */
static void emit_division(struct rs_sums *sums, unsigned k) {
  struct rs_assembler *as = sums->as;
  rs_load_pointer(as, RS_POINTER, RS_IN, 0);
  for (unsigned b = 0; b < 8; b++) {
    for (unsigned power = 0; power < k; power++)
      rs_load_vector(as, power, (struct rs_address){RS_POINTER, RS_IN_OFFSET, (int32_t)((k - 1 - power) * RS_CHUNK + b * RS_PLANE)});
    for (unsigned low = 0; low + 2 < k; low += 2)
      for (unsigned power = k - 1; power >= low + 2; power--) rs_xor2(as, power - 1, power - 1, power);
    for (unsigned power = 0; power < k; power++) rs_store_vector(as, rs_sums_scratch(sums, power, b), power);
  }
}

/* Adds coefficients `first`, `first` + 2 … of the scratch, times the powers of s = v^2 + v of each row, times `scale` of each row. */
static void emit_polynomial(struct rs_sums *sums, unsigned k, unsigned first, unsigned rows, const uint8_t *s, const uint8_t *scale) {
  uint8_t factors[2] = {scale[0], scale[1]};
  for (sums->chunk = first; sums->chunk < k; sums->chunk += 2) {
    rs_sums_add(sums, rows, factors);
    for (unsigned i = 0; i < rows; i++) factors[i] = rs_multiply_factors(factors[i], s[i]);
  }
}

/* Brings part `part` of `parts` of the next stripe near. */
static void emit_prefetch(struct rs_sums *sums, unsigned k, unsigned part, unsigned parts) {
  rs_load_pointer(sums->as, RS_POINTER, RS_IN, 0);
  for (unsigned line = 8 * k * part / parts; line < 8 * k * (part + 1) / parts; line++)
    rs_prefetch(sums->as, (struct rs_address){RS_POINTER, RS_IN_OFFSET, (int32_t)(k * RS_CHUNK + line * RS_PLANE)});
}

static void emit_set(struct rs_sums *sums, unsigned k, const uint8_t *numbers, const struct set *set) {
  struct rs_assembler *as = sums->as;
  static const uint8_t one[2] = {1, 1};
  uint8_t v[2] = {0, 0}, s[2] = {0, 0};
  for (unsigned i = 0; i < set->count; i++) {
    v[i] = numbers[set->row[i]];
    s[i] = rs_multiply_factors(v[i], v[i] ^ 1);
  }
  int paired = set->row[0] != set->partner[0];
  if (paired) {
    sums->begun = 0;
    emit_polynomial(sums, k, 1, set->count, s, one);
    for (unsigned i = 0; i < set->count; i++) rs_sums_store(sums, i, rs_sums_scratch(sums, k + i, 0));
  }
  sums->begun = 0;
  emit_polynomial(sums, k, 0, set->count, s, one);
  if (paired) {
    for (unsigned i = 0; i < set->count; i++) {
      uint8_t factors[2] = {i == 0 ? v[0] : 0, i == 1 ? v[1] : 0};
      sums->chunk = k + i;
      rs_sums_add(sums, set->count, factors);
    }
  } else {
    emit_polynomial(sums, k, 1, set->count, s, v);
  }
  for (unsigned i = 0; i < set->count; i++) {
    rs_load_pointer(as, RS_POINTER, RS_OUT, (int32_t)(8 * set->row[i]));
    rs_sums_store(sums, i, (struct rs_address){RS_POINTER, RS_OUT_OFFSET, 0});
    if (!paired) continue;
    for (unsigned b = 0; b < 8; b++) rs_xor2_memory(as, 8 * i + b, 8 * i + b, rs_sums_scratch(sums, k + i, b));
    rs_load_pointer(as, RS_POINTER, RS_OUT, (int32_t)(8 * set->partner[i]));
    rs_sums_store(sums, i, (struct rs_address){RS_POINTER, RS_OUT_OFFSET, 0});
  }
}

/* The pairs, or the bricks that are in none, two by two. Returns how many sets that is. */
static unsigned list_sets(const uint8_t *numbers, unsigned count, int pairs, struct set *sets) {
  unsigned n = 0;
  sets[0].count = 0;
  for (unsigned i = 0; i < count; i++) {
    int paired = is_pair(numbers, count, i) || (numbers[i] % 2 != 0 && find(numbers, count, numbers[i] - 1u) < count);
    if (paired != pairs || (paired && numbers[i] % 2 != 0)) continue;
    struct set *set = &sets[n];
    set->row[set->count] = i;
    set->partner[set->count++] = paired ? find(numbers, count, numbers[i] + 1u) : i;
    if (set->count == 2) sets[++n].count = 0;
  }
  return n + (sets[n].count > 0);
}

void rs_pairs_emit(struct rs_assembler *as, unsigned k, const uint8_t *numbers, unsigned count, unsigned function, unsigned functions) {
  struct set sets[RS_BRICKS_MAX + 2];
  unsigned all = list_sets(numbers, count, 1, sets);
  all += list_sets(numbers, count, 0, sets + all);
  unsigned first = all * function / functions, past = all * (function + 1) / functions;
  struct rs_sums sums = rs_sums_begin(as, 2);
  sums.source = RS_FROM_SCRATCH;
  rs_clear(as, RS_IN_OFFSET);
  rs_clear(as, RS_OUT_OFFSET);
  size_t begin = as->length;
  emit_division(&sums, k);
  for (unsigned i = first; i < past; i++) {
    emit_prefetch(&sums, k, i - first, past - first);
    emit_set(&sums, k, numbers, &sets[i]);
  }
  rs_add_number(as, RS_IN_OFFSET, (int32_t)(k * RS_CHUNK));
  rs_add_number(as, RS_OUT_OFFSET, RS_CHUNK);
  rs_loop(as, RS_STRIPES, begin);
  rs_return(as);
}
