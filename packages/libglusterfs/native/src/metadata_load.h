/* What the kernel has in memory of a disk's names and attributes: looking without waiting, and reading it in. No knowledge of Node or of xlators. */
#pragma once
#include "syscalls.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * As gts_lstatat, but -EAGAIN when names on the way, or the inode, must be read from the disk. A kernel without openat2's RESOLVE_CACHED
 * (Linux 5.12) can't tell, and the call waits.
 */
long gts_lstatat_cached(int dirfd, const char *name, union gts_cell *out);
/* The same as struct stat; -1 and errno. */
struct stat;
int gts_fstatat_cached(int dirfd, const char *name, struct stat *out);

/*
 * Reads in what a lookup of each name will need: inode, xattrs, a link's target and, with `hidden`, the path of `.glusterfs`, the handle. `names` are
 * NUL-ended, relative to `dirfd` or absolute. Answers bits of gts_load_result.
 */
enum gts_load_result {
  /* The disk was asked. */
  GTS_LOAD_WAITED = 1,
  /* The last of the names isn't there. */
  GTS_LOAD_MISSING = 2,
};
long gts_load_names(int dirfd, const char *names, size_t size, const char *hidden);
/* Reads in the entries that the next getdents of this directory will answer. As above, or -errno. */
long gts_load_dents(int dirfd);
/* Blocks of 512 bytes that this thread has had read from disks; 0 on a kernel that doesn't count them. */
long gts_blocks_read(void);

#ifdef __cplusplus
}
#endif
