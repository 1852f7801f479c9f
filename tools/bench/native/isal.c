// ISA-L doing as many products as GlusterFS's code does: isal K ROWS BYTES ROUNDS [avx2] → MB/s of data (ROWS outputs of K inputs each, BYTES of
// input in all), the best of eight times ROUNDS. With avx2, what ISA-L does on processors that have no more; prints nothing where that can't be called.
#include <isa-l.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

extern void ec_encode_data_avx2(int length, int k, int rows, unsigned char *tables, unsigned char **data, unsigned char **out) __attribute__((weak));

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

// Buffers that all begin at the same place of a page fall into the same few cache sets, which costs ISA-L up to half its speed with 16 of them.
static unsigned char *buffer(int index, int length) {
  unsigned char *memory;
  if (posix_memalign((void **)&memory, 4096, (size_t)length + 4096)) exit(1);
  memset(memory, index + 1, (size_t)length + 4096);
  return memory + index * 13 % 64 * 64;
}

int main(int argc, char **argv) {
  if (argc < 5) return 2;
  int k = atoi(argv[1]), rows = atoi(argv[2]), bytes = atoi(argv[3]), rounds = atoi(argv[4]);
  int length = bytes / k / 512 * 512;
  void (*encode)(int, int, int, unsigned char *, unsigned char **, unsigned char **) = ec_encode_data;
  if (argc > 5 && strcmp(argv[5], "avx2") == 0) encode = ec_encode_data_avx2;
  if (!encode) return 0;
  unsigned char *matrix = malloc((size_t)(k * rows)), *tables = malloc((size_t)(32 * k * rows));
  unsigned char *data[64], *out[64];
  // Any coefficients but 0 and 1 cost the same.
  for (int i = 0; i < k * rows; i++) matrix[i] = (unsigned char)(2 + i % 250);
  ec_init_tables(k, rows, matrix, tables);
  for (int i = 0; i < k; i++) data[i] = buffer(i, length);
  for (int i = 0; i < rows; i++) out[i] = buffer(k + i, length);
  for (int i = 0; i < 3; i++) encode(length, k, rows, tables, data, out);
  // The best of several short times: the others had another process between them.
  double best = 1e9;
  for (int part = 0; part < 8; part++) {
    double begin = now();
    for (int i = 0; i < rounds; i++) encode(length, k, rows, tables, data, out);
    double seconds = now() - begin;
    if (seconds < best) best = seconds;
  }
  printf("%.1f\n", (double)length * k * rounds / best / 1e6);
  return 0;
}
