// One phase of file workloads in a directory: smallfiles DIR COUNT PHASE [SIZE] → "operations seconds" on one line.
// One process; files f000000 … of SIZE bytes (default 4096), written and read in pieces of at most 1 MiB. Phases: create (create+write+close),
// stat, read (whole files), list (with stat), rename (f… to g…), unlink (g…), forget (the kernel's caches; needs root).
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PIECE (1 << 20)

static char data[PIECE];

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void fail(const char *what, const char *path) {
  fprintf(stderr, "%s %s: %m\n", what, path);
  exit(1);
}

static size_t piece(long long left) { return left < PIECE ? (size_t)left : PIECE; }

static void create(const char *path, long long size) {
  int fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0644);
  if (fd < 0) fail("create", path);
  for (long long left = size; left > 0; left -= (long long)piece(left))
    if (write(fd, data, piece(left)) != (ssize_t)piece(left)) fail("write", path);
  if (close(fd) < 0) fail("close", path);
}

static void read_whole(const char *path, long long size) {
  int fd = open(path, O_RDONLY);
  if (fd < 0) fail("open", path);
  for (long long left = size; left > 0;) {
    ssize_t got = read(fd, data, piece(left));
    if (got <= 0) fail("read", path);
    if (data[0] != 'x' || data[got - 1] != 'x') fail("content of", path);
    left -= got;
  }
  close(fd);
}

static int list(const char *directory) {
  struct stat st;
  DIR *dir = opendir(".");
  if (!dir) fail("opendir", directory);
  int seen = 0;
  for (struct dirent *entry; (entry = readdir(dir));) {
    if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) fail("stat", entry->d_name);
    seen++;
  }
  closedir(dir);
  return seen;
}

static void forget(void) {
  // The kernel's dentries, attributes and pages: what is measured is the volume. Needs root; without it the numbers say less.
  sync();
  int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);
  if (fd < 0) return;
  if (write(fd, "3", 1) < 0) { /* not allowed here */ }
  close(fd);
}

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  int count = atoi(argv[2]);
  const char *phase = argv[3];
  long long size = argc > 4 ? atoll(argv[4]) : 4096;
  char path[64], to[64];
  struct stat st;
  memset(data, 'x', sizeof data);
  if (chdir(argv[1]) < 0) fail("chdir", argv[1]);

  double begin = now();
  if (strcmp(phase, "forget") == 0) {
    forget();
  } else if (strcmp(phase, "list") == 0) {
    int seen = list(argv[1]);
    if (seen != count + 2) {
      fprintf(stderr, "%s lists %d entries\n", argv[1], seen);
      return 1;
    }
    count = seen;
  } else {
    for (int i = 0; i < count; i++) {
      snprintf(path, sizeof path, "f%06d", i);
      snprintf(to, sizeof to, "g%06d", i);
      if (strcmp(phase, "create") == 0) {
        create(path, size);
      } else if (strcmp(phase, "stat") == 0) {
        if (stat(path, &st) < 0) fail("stat", path);
        if (st.st_size != size) fail("size of", path);
      } else if (strcmp(phase, "read") == 0) {
        read_whole(path, size);
      } else if (strcmp(phase, "rename") == 0) {
        if (rename(path, to) < 0) fail("rename", path);
      } else if (strcmp(phase, "unlink") == 0) {
        if (unlink(to) < 0) fail("unlink", to);
      } else {
        return 2;
      }
    }
  }
  printf("%d %.6f\n", count, now() - begin);
  return 0;
}
