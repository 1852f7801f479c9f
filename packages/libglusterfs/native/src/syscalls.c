#include "syscalls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

void gts_fill_stat(const struct stat *st, union gts_cell *out) {
  out[0].u64 = st->st_dev;
  out[1].u64 = st->st_ino;
  out[2].f64 = st->st_mode;
  out[3].f64 = (double)st->st_nlink;
  out[4].f64 = st->st_uid;
  out[5].f64 = st->st_gid;
  out[6].f64 = major(st->st_rdev);
  out[7].f64 = minor(st->st_rdev);
  out[8].f64 = (double)st->st_size;
  out[9].f64 = (double)st->st_blksize;
  out[10].f64 = (double)st->st_blocks;
  out[11].f64 = (double)st->st_atim.tv_sec;
  out[12].f64 = (double)st->st_atim.tv_nsec;
  out[13].f64 = (double)st->st_mtim.tv_sec;
  out[14].f64 = (double)st->st_mtim.tv_nsec;
  out[15].f64 = (double)st->st_ctim.tv_sec;
  out[16].f64 = (double)st->st_ctim.tv_nsec;
}

long gts_stat(const char *path, union gts_cell *out) {
  struct stat st;
  if (stat(path, &st) < 0) return -errno;
  gts_fill_stat(&st, out);
  return 0;
}

long gts_lstat(const char *path, union gts_cell *out) {
  struct stat st;
  if (lstat(path, &st) < 0) return -errno;
  gts_fill_stat(&st, out);
  return 0;
}

long gts_lstatat(int dirfd, const char *name, union gts_cell *out) {
  struct stat st;
  if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) return -errno;
  gts_fill_stat(&st, out);
  return 0;
}

long gts_fstat(int fd, union gts_cell *out) {
  struct stat st;
  if (fstat(fd, &st) < 0) return -errno;
  gts_fill_stat(&st, out);
  return 0;
}

long gts_statvfs(const char *path, union gts_cell *out) {
  struct statvfs vfs;
  if (statvfs(path, &vfs) < 0) return -errno;
  out[0].f64 = (double)vfs.f_bsize;
  out[1].f64 = (double)vfs.f_frsize;
  out[2].f64 = (double)vfs.f_blocks;
  out[3].f64 = (double)vfs.f_bfree;
  out[4].f64 = (double)vfs.f_bavail;
  out[5].f64 = (double)vfs.f_files;
  out[6].f64 = (double)vfs.f_ffree;
  out[7].f64 = (double)vfs.f_favail;
  out[8].u64 = vfs.f_fsid;
  out[9].f64 = (double)vfs.f_flag;
  out[10].f64 = (double)vfs.f_namemax;
  return 0;
}

/* Drops `done` bytes from the front of a vector; returns how many elements are used up. */
static int advance(struct iovec *iov, int count, size_t done) {
  int i = 0;
  while (i < count && done >= iov[i].iov_len) done -= iov[i++].iov_len;
  if (i < count) {
    iov[i].iov_base = (char *)iov[i].iov_base + done;
    iov[i].iov_len -= done;
  }
  return i;
}

static int is_in_memory(const struct statfs *fs) { return fs->f_type == TMPFS_MAGIC || fs->f_type == RAMFS_MAGIC; }

/* Memory file systems don't know RWF_NOWAIT, and never need it. */
int gts_never_waits(int fd) {
  struct statfs fs;
  return fstatfs(fd, &fs) == 0 && is_in_memory(&fs);
}

long gts_in_memory(const char *path) {
  struct statfs fs;
  return statfs(path, &fs) < 0 ? -errno : is_in_memory(&fs);
}

long gts_preadv(int fd, struct iovec *iov, int count, int64_t offset, int nowait) {
  long total = 0;
  while (count > 0) {
    ssize_t n = nowait ? preadv2(fd, iov, count, offset + total, RWF_NOWAIT) : preadv(fd, iov, count, offset + total);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && nowait && errno == EOPNOTSUPP && gts_never_waits(fd)) {
      nowait = 0;
      continue;
    }
    /* A half-cached range is read again as a whole, by somebody who may wait. */
    if (n < 0) return total > 0 && !nowait ? total : -errno;
    if (n == 0) break;
    total += n;
    int used = advance(iov, count, (size_t)n);
    iov += used;
    count -= used;
  }
  return total;
}

long gts_pwritev(int fd, struct iovec *iov, int count, int64_t offset) {
  long total = 0;
  while (count > 0) {
    ssize_t n = pwritev(fd, iov, count, offset + total);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return total > 0 ? total : -errno;
    if (n == 0) break;
    total += n;
    int used = advance(iov, count, (size_t)n);
    iov += used;
    count -= used;
  }
  return total;
}

long gts_getdents(int fd, void *buffer, size_t size) {
  long n = syscall(SYS_getdents64, fd, buffer, size);
  return n < 0 ? -errno : n;
}

long gts_copy_file_range(int fd_in, int64_t off_in, int fd_out, int64_t off_out, size_t length) {
  off64_t from = off_in;
  off64_t to = off_out;
  long total = 0;
  while (length > 0) {
    ssize_t n = copy_file_range(fd_in, &from, fd_out, &to, length, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return total > 0 ? total : -errno;
    if (n == 0) break;
    total += n;
    length -= (size_t)n;
  }
  return total;
}

long gts_utimens(int fd, const char *path, int64_t atime, long atime_nsec, int64_t mtime, long mtime_nsec) {
  struct timespec times[2] = {{atime, atime_nsec}, {mtime, mtime_nsec}};
  int result = path ? utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW) : futimens(fd, times);
  return result < 0 ? -errno : 0;
}
