// Small-file workloads on a directory: smallfiles DIR COUNT → one line "name operations seconds cpu_seconds" per phase.
// One process, files of 4 KiB, as `npm run bench` compares them: create+write+close, stat, read, list with stat, rename, unlink.
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SIZE 4096

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void fail(const char *what, const char *path) {
  fprintf(stderr, "%s %s: %m\n", what, path);
  exit(1);
}

static void drop_caches(void) {
  // The kernel's dentries, attributes and pages: what is measured is the volume. Needs root; without it the numbers say less.
  int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);
  if (fd < 0) return;
  if (write(fd, "3", 1) < 0) { /* not allowed here */ }
  close(fd);
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  int count = atoi(argv[2]);
  char path[4096], to[4096];
  char data[SIZE];
  struct stat st;
  memset(data, 'x', sizeof data);
  if (chdir(argv[1]) < 0) fail("chdir", argv[1]);

  double begin = now();
  for (int i = 0; i < count; i++) {
    snprintf(path, sizeof path, "f%06d", i);
    int fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0644);
    if (fd < 0) fail("create", path);
    if (write(fd, data, SIZE) != SIZE) fail("write", path);
    if (close(fd) < 0) fail("close", path);
  }
  printf("create %d %.6f\n", count, now() - begin);

  drop_caches();
  begin = now();
  for (int i = 0; i < count; i++) {
    snprintf(path, sizeof path, "f%06d", i);
    if (stat(path, &st) < 0) fail("stat", path);
    if (st.st_size != SIZE) fail("size of", path);
  }
  printf("stat %d %.6f\n", count, now() - begin);

  begin = now();
  for (int i = 0; i < count; i++) {
    snprintf(path, sizeof path, "f%06d", i);
    int fd = open(path, O_RDONLY);
    if (fd < 0) fail("open", path);
    if (read(fd, data, SIZE) != SIZE) fail("read", path);
    if (data[0] != 'x' || data[SIZE - 1] != 'x') fail("content of", path);
    close(fd);
  }
  printf("read %d %.6f\n", count, now() - begin);

  drop_caches();
  begin = now();
  DIR *dir = opendir(".");
  if (!dir) fail("opendir", argv[1]);
  int seen = 0;
  for (struct dirent *entry; (entry = readdir(dir));) {
    if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) fail("stat", entry->d_name);
    seen++;
  }
  closedir(dir);
  if (seen != count + 2) fail("list", argv[1]);
  printf("list %d %.6f\n", seen, now() - begin);

  begin = now();
  for (int i = 0; i < count; i++) {
    snprintf(path, sizeof path, "f%06d", i);
    snprintf(to, sizeof to, "g%06d", i);
    if (rename(path, to) < 0) fail("rename", path);
  }
  printf("rename %d %.6f\n", count, now() - begin);

  begin = now();
  for (int i = 0; i < count; i++) {
    snprintf(path, sizeof path, "g%06d", i);
    if (unlink(path) < 0) fail("unlink", path);
  }
  printf("unlink %d %.6f\n", count, now() - begin);
  return 0;
}
