/* System calls on names that are bytes, each answering -errno on failure. No knowledge of Node or of xlators. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A stat as 20 cells of 8 bytes: cells 0 and 1 are st_dev and st_ino as u64, the rest doubles. */
enum { GTS_STAT_CELLS = 20, GTS_STAT_SLOTS = 8 };
union gts_cell {
  uint64_t u64;
  double f64;
};

struct stat;
void gts_fill_stat(const struct stat *st, union gts_cell *out);
long gts_stat(const char *path, union gts_cell *out);
long gts_lstat(const char *path, union gts_cell *out);
long gts_lstatat(int dirfd, const char *name, union gts_cell *out);
long gts_fstat(int fd, union gts_cell *out);
/* bsize, frsize, blocks, bfree, bavail, files, ffree, favail, fsid, flag, namemax; fsid as u64, the rest doubles. */
long gts_statvfs(const char *path, union gts_cell *out);

/* 1 when the path lies on a file system that is in memory only, 0 when not. */
long gts_in_memory(const char *path);
/* As gts_in_memory, of an fd; 0 also when that can't be found out. */
int gts_never_waits(int fd);

/* All bytes or an error, but for the end of the file (read) and for a full disk after a part (write). */
long gts_preadv(int fd, struct iovec *iov, int count, int64_t offset, int nowait);
long gts_pwritev(int fd, struct iovec *iov, int count, int64_t offset);
long gts_getdents(int fd, void *buffer, size_t size);
long gts_copy_file_range(int fd_in, int64_t off_in, int fd_out, int64_t off_out, size_t length);
/* Sets the times of a path (not following links) or, with path NULL, of an fd. Nanoseconds may be UTIME_NOW, UTIME_OMIT. */
long gts_utimens(int fd, const char *path, int64_t atime, long atime_nsec, int64_t mtime, long mtime_nsec);
uint64_t gts_xxh64(const void *data, size_t length, uint64_t seed);

#ifdef __cplusplus
}
#endif
