// ISA-L doing as many products as GlusterFS's code does: isal K ROWS ROUNDS → MB/s of data (ROWS outputs of K inputs each, 1 MiB in all).
#include <isa-l.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  int k = atoi(argv[1]), rows = atoi(argv[2]), rounds = atoi(argv[3]);
  int length = (1 << 20) / k / 512 * 512;
  unsigned char *matrix = malloc((size_t)(k * rows)), *tables = malloc((size_t)(32 * k * rows));
  unsigned char *data[64], *out[64];
  // Any coefficients but 0 and 1 cost the same.
  for (int i = 0; i < k * rows; i++) matrix[i] = (unsigned char)(2 + i % 250);
  ec_init_tables(k, rows, matrix, tables);
  for (int i = 0; i < k; i++) {
    if (posix_memalign((void **)&data[i], 4096, (size_t)length)) return 1;
    memset(data[i], i + 1, (size_t)length);
  }
  for (int i = 0; i < rows; i++) {
    if (posix_memalign((void **)&out[i], 4096, (size_t)length)) return 1;
  }
  ec_encode_data(length, k, rows, tables, data, out);
  double best = 1e9;
  for (int trial = 0; trial < 5; trial++) {
    double begin = now();
    for (int i = 0; i < rounds; i++) ec_encode_data(length, k, rows, tables, data, out);
    double seconds = now() - begin;
    if (seconds < best) best = seconds;
  }
  printf("%.1f\n", (double)length * k * rounds / best / 1e6);
  return 0;
}
