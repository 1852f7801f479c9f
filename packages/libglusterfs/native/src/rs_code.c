#include "rs_code.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "rs.h"
#include "rs_field.h"
#include "rs_pairs.h"
#include "rs_rows.h"

/* A volume of n bricks has one matrix for encoding, and one for decoding for each set of bricks it reads from: about n with all of them up. */
enum { CODES_MAX = 128 };
enum { CODE_BYTES_MAX = 16 << 20 };
/* More than the code for the product of a chunk by the factors of one function's rows ever takes, and for the rest of a function. */
enum { CHUNK_CODE_MAX = 2048, REST_CODE_MAX = 1024 };
/* Products of a chunk (of two halves with AVX2) in a function: about 16 KiB of code, which the processor keeps decoded. */
enum { FUNCTION_PRODUCTS = 128 };
/* Where one function doesn't do all rows, this much of the source is passed through one before the next: it stays in the second-level cache. */
enum { BLOCK_BYTES = 128 << 10 };

struct rs_code {
  struct rs_shape shape;
  uint8_t rows[RS_BRICKS_MAX * RS_K_MAX];
  uint8_t *memory;
  size_t bytes;
  /* Functions for parts of the rows, in the order in which they are run. */
  struct {
    size_t offset;
    /* Its first row: a function counts `out` from there. */
    unsigned first;
  } functions[RS_BRICKS_MAX];
  unsigned count, users;
  uint64_t used;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct rs_code *codes[CODES_MAX];
static unsigned count;
static size_t total_bytes;
static uint64_t uses;

static void destroy(struct rs_code *code) {
  munmap(code->memory, code->bytes);
  free(code);
}

static size_t whole_pages(size_t bytes) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  return (bytes + page - 1) / page * page;
}

static size_t rows_bytes(const struct rs_shape *shape) {
  return shape->encode ? shape->rows : (size_t)shape->rows * shape->k;
}

/* Row of a brick in the encode matrix (spec/ec.md, section 2.2). */
static void encode_row(unsigned k, uint8_t number, uint8_t *row) {
  row[k - 1] = 1;
  for (unsigned j = k - 1; j-- > 0;) row[j] = rs_multiply_factors(row[j + 1], number);
}

/* One function after another, each for some of the rows. */
static void emit_rows(struct rs_code *code, struct rs_assembler *as) {
  const struct rs_shape *shape = &code->shape;
  uint8_t encode[RS_BRICKS_MAX * RS_K_MAX];
  const uint8_t *matrix = shape->encode ? encode : code->rows;
  if (shape->encode)
    for (unsigned i = 0; i < shape->rows; i++) encode_row(shape->k, code->rows[i], encode + i * shape->k);
  /* Rows are cheaper in pairs. */
  unsigned at_once = FUNCTION_PRODUCTS * shape->width / 64 / shape->k & ~1u;
  if (at_once < 2) at_once = 2;
  for (unsigned first = 0; first < shape->rows; first += at_once) {
    struct rs_rows rows = {
      .k = shape->k,
      .count = shape->rows - first < at_once ? shape->rows - first : at_once,
      .matrix = matrix + (size_t)first * shape->k,
      .in_step = shape->in_step,
      .out_step = shape->out_step,
      .prefetch = shape->rows > at_once || (shape->unaligned && shape->k > 2),
      .unaligned = shape->unaligned,
    };
    code->functions[code->count].offset = as->length;
    code->functions[code->count++].first = first;
    rs_rows_emit(as, &rows);
  }
}

/* Memory is never writable and executable at once. */
static struct rs_code *make(const struct rs_shape *shape, const uint8_t *rows) {
  struct rs_code *code = calloc(1, sizeof *code);
  if (!code) return NULL;
  code->shape = *shape;
  memcpy(code->rows, rows, rows_bytes(shape));
  size_t room = whole_pages((size_t)shape->rows * (64 / shape->width) * (shape->k * CHUNK_CODE_MAX + REST_CODE_MAX));
  code->memory = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (code->memory == MAP_FAILED) {
    free(code);
    return NULL;
  }
  struct rs_assembler as = {.code = code->memory, .room = room, .width = shape->width};
  unsigned functions = shape->encode && shape->width == 64 ? rs_pairs_functions(shape->k, rows, shape->rows) : 0;
  if (functions == 0) emit_rows(code, &as);
  for (unsigned i = 0; i < functions; i++) {
    code->functions[code->count++].offset = as.length;
    rs_pairs_emit(&as, shape->k, rows, shape->rows, i, functions);
  }
  code->bytes = room;
  size_t bytes = whole_pages(as.length);
  if (as.length > room || mprotect(code->memory, bytes, PROT_READ | PROT_EXEC) != 0) {
    destroy(code);
    return NULL;
  }
  if (bytes < room && munmap(code->memory + bytes, room - bytes) == 0) code->bytes = bytes;
  return code;
}

static struct rs_code *find(const struct rs_shape *shape, const uint8_t *rows) {
  for (unsigned i = 0; i < count; i++) {
    struct rs_code *code = codes[i];
    if (memcmp(&code->shape, shape, sizeof *shape) != 0 || memcmp(code->rows, rows, rows_bytes(shape)) != 0) continue;
    /* What is used often is found soon. */
    codes[i] = codes[0];
    codes[0] = code;
    return code;
  }
  return NULL;
}

/* Frees the one that was longest not used; 0 when all are in use. */
static int drop_one(void) {
  unsigned oldest = count;
  for (unsigned i = 0; i < count; i++)
    if (codes[i]->users == 0 && (oldest == count || codes[i]->used < codes[oldest]->used)) oldest = i;
  if (oldest == count) return 0;
  total_bytes -= codes[oldest]->bytes;
  destroy(codes[oldest]);
  codes[oldest] = codes[--count];
  return 1;
}

static struct rs_code *add(const struct rs_shape *shape, const uint8_t *rows) {
  while (count == CODES_MAX || total_bytes > CODE_BYTES_MAX)
    if (!drop_one()) return NULL;
  struct rs_code *code = make(shape, rows);
  if (!code) return NULL;
  codes[count++] = code;
  total_bytes += code->bytes;
  return code;
}

struct rs_code *rs_code_take(const struct rs_shape *shape, const uint8_t *rows) {
  pthread_mutex_lock(&lock);
  struct rs_code *code = find(shape, rows);
  if (!code) code = add(shape, rows);
  if (code) {
    code->users++;
    code->used = ++uses;
  }
  pthread_mutex_unlock(&lock);
  return code;
}

void rs_code_release(struct rs_code *code) {
  pthread_mutex_lock(&lock);
  code->users--;
  pthread_mutex_unlock(&lock);
}

void rs_code_run(const struct rs_code *code, const uint8_t **in, uint8_t **out, size_t stripes) {
  const struct rs_shape *shape = &code->shape;
  uint8_t scratch[RS_PAIRS_SCRATCH * RS_CHUNK] __attribute__((aligned(64)));
  size_t block = code->count == 1 ? stripes : BLOCK_BYTES / (shape->k * RS_CHUNK);
  while (stripes > 0) {
    size_t some = stripes < block ? stripes : block;
    for (unsigned f = 0; f < code->count; f++) {
      rs_rows_function *function;
      const uint8_t *address = code->memory + code->functions[f].offset;
      memcpy(&function, &address, sizeof function);
      function(in, out + code->functions[f].first, some, scratch);
    }
    for (unsigned c = 0; c < shape->k; c++) in[c] += some * (size_t)shape->in_step;
    for (unsigned i = 0; i < shape->rows; i++) out[i] += some * (size_t)shape->out_step;
    stripes -= some;
  }
}

static int allowed;

static void try_once(void) {
  size_t page = whole_pages(1);
  uint8_t *memory = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return;
  allowed = mprotect(memory, page, PROT_READ | PROT_EXEC) == 0;
  munmap(memory, page);
}

int rs_code_allowed(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, try_once);
  return allowed;
}
