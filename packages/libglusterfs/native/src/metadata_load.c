#include "metadata_load.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

enum {
  SYSCALL_OPENAT2 = 437,
  /* Not in the headers of older kernels. */
  RESOLVE_IN_MEMORY = 0x20,
  /* As much as the loop asks for. */
  DENTS_SIZE = 128 * 1024,
  GFID_SIZE = 16,
  /* Nothing that is in memory takes so long. */
  WAITED_US = 1000,
};

struct how {
  uint64_t flags;
  uint64_t mode;
  uint64_t resolve;
};

/* Whether this kernel can tell. Found out by the first that is asked. */
static int can_tell = 1;

int gts_fstatat_cached(int dirfd, const char *name, struct stat *out) {
  if (can_tell) {
    struct how how = {O_PATH | O_NOFOLLOW | O_CLOEXEC, 0, RESOLVE_IN_MEMORY};
    int fd = (int)syscall(SYSCALL_OPENAT2, dirfd, name, &how, sizeof how);
    if (fd >= 0) {
      int result = fstat(fd, out), failure = errno;
      close(fd);
      errno = failure;
      return result;
    }
    if (errno == EAGAIN || errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == EACCES || errno == ENAMETOOLONG) return -1;
    /* EPERM: of a sandbox that doesn't know the call. What is left is a want of fds or memory. */
    if (errno == ENOSYS || errno == EINVAL || errno == EPERM) can_tell = 0;
  }
  return fstatat(dirfd, name, out, AT_SYMLINK_NOFOLLOW);
}

long gts_lstatat_cached(int dirfd, const char *name, union gts_cell *out) {
  struct stat st;
  if (gts_fstatat_cached(dirfd, name, &st) < 0) return -errno;
  gts_fill_stat(&st, out);
  return 0;
}

static void load_handle(const char *hidden, const unsigned char *gfid) {
  char path[PATH_MAX];
  struct stat st;
  int length = snprintf(path, sizeof path, "%s/%02x/%02x/%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", hidden, gfid[0], gfid[1], gfid[0],
                        gfid[1], gfid[2], gfid[3], gfid[4], gfid[5], gfid[6], gfid[7], gfid[8], gfid[9], gfid[10], gfid[11], gfid[12], gfid[13], gfid[14], gfid[15]);
  if (length < (int)sizeof path) (void)lstat(path, &st);
}

static int load(int dirfd, const char *name, const char *hidden) {
  struct stat st;
  if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) return errno == ENOENT ? GTS_LOAD_MISSING : 0;
  char path[PATH_MAX], value[PATH_MAX];
  const char *at = name;
  if (*name != '/') {
    /* By a path, which every kernel can. */
    if (snprintf(path, sizeof path, "/proc/self/fd/%d/%s", dirfd, name) >= (int)sizeof path) return 0;
    at = path;
  }
  /* A list needs all of them, wherever they lie. */
  (void)llistxattr(at, value, sizeof value);
  if (S_ISLNK(st.st_mode)) (void)readlink(at, value, sizeof value);
  unsigned char gfid[GFID_SIZE];
  if (hidden && *hidden && lgetxattr(at, "trusted.gfid", gfid, sizeof gfid) == GFID_SIZE) load_handle(hidden, gfid);
  return 0;
}

/* What was read before it tells whether something was read since. Where nothing is counted, time does. */
struct disk_clock {
  long blocks;
  struct timespec time;
};

long gts_blocks_read(void) {
  struct rusage usage;
  return getrusage(RUSAGE_THREAD, &usage) < 0 ? 0 : usage.ru_inblock;
}

static struct disk_clock begin(void) {
  struct disk_clock clock = {.blocks = gts_blocks_read()};
  clock_gettime(CLOCK_MONOTONIC, &clock.time);
  return clock;
}

static long waited(struct disk_clock begun) {
  struct disk_clock now = begin();
  long us = (now.time.tv_sec - begun.time.tv_sec) * 1000000 + (now.time.tv_nsec - begun.time.tv_nsec) / 1000;
  return now.blocks != begun.blocks || us >= WAITED_US ? GTS_LOAD_WAITED : 0;
}

long gts_load_names(int dirfd, const char *names, size_t size, const char *hidden) {
  struct disk_clock begun = begin();
  int result = 0;
  for (const char *name = names; name < names + size; name += strlen(name) + 1) result = load(dirfd, name, hidden);
  return result | waited(begun);
}

long gts_load_dents(int dirfd) {
  struct disk_clock begun = begin();
  /* The position of the one that is read from is left alone. */
  off_t position = lseek(dirfd, 0, SEEK_CUR);
  int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return -errno;
  char *buffer = malloc(DENTS_SIZE);
  long result = -ENOMEM;
  if (buffer) {
    result = lseek(fd, position, SEEK_SET) < 0 ? -errno : gts_getdents(fd, buffer, DENTS_SIZE);
    free(buffer);
  }
  close(fd);
  return result < 0 ? result : waited(begun);
}
