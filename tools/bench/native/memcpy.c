// The C library's memcpy: memcpy BYTES ROUNDS → MB/s, the best of eight times ROUNDS. A byte copied, that is
// read once and written once, counts once.
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
  if (argc != 3) return 2;
  size_t bytes = (size_t)atol(argv[1]);
  int rounds = atoi(argv[2]);
  char *from, *to;
  if (posix_memalign((void **)&from, 4096, bytes) || posix_memalign((void **)&to, 4096, bytes)) return 1;
  memset(from, 1, bytes);
  memset(to, 2, bytes);
  double best = 1e9;
  for (int part = 0; part < 8; part++) {
    double begin = now();
    for (int i = 0; i < rounds; i++) {
      memcpy(to, from, bytes);
      __asm__ volatile("" : : "r"(to) : "memory");
    }
    double seconds = now() - begin;
    if (seconds < best) best = seconds;
  }
  printf("%.1f\n", (double)bytes * rounds / best / 1e6);
  return 0;
}
