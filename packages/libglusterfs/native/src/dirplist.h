/* The entries of a directory with their attributes, as READDIRP's reply carries them. No knowledge of Node or of xlators. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum gts_dirplist_flag {
  /* The volume's root: `.glusterfs` isn't listed, and `..` has no attributes. */
  GTS_DIRPLIST_ROOT = 1,
  GTS_DIRPLIST_SKIP_DIRECTORIES = 2,
  /* Times are those of trusted.glusterfs.mdata, where there is one. */
  GTS_DIRPLIST_MDATA = 4,
  /* Entries have a dict. */
  GTS_DIRPLIST_DICT = 8,
  /* Nothing is told of the entries: they must be looked up. */
  GTS_DIRPLIST_BARE = 16,
  /* It ends at an entry that the kernel would have to ask the disk for. */
  GTS_DIRPLIST_CACHED = 32,
};

struct gts_dirplist {
  /* The open directory, and its path, for kernels that can't read xattrs by directory and name. */
  int fd;
  const char *directory;
  /* Records of getdents64. */
  const char *dents;
  size_t dents_size;
  /* NUL-ended names of xattrs, in the order of the answers; `glusterfs.content` among them asks for the content of regular files of at most `content_max` bytes (-1: none). */
  const char *wanted;
  size_t wanted_size;
  int64_t content_max;
  unsigned flags;
  /* The inode that `.glusterfs` is. */
  uint64_t hidden_dev, hidden_ino;
  /* How much the entries may cost, as readdirp counts it: 209 bytes and the name for each. */
  size_t budget;
  unsigned count_max;
  /* Room for files whose content isn't in memory (0: they are left). Their disk has been asked for it, and they are left open for who waits for that. */
  int *cold;
  unsigned cold_max;
};

/* Why it ended: all records are done, the next entry is over the budget or the count, there is no room for it, or it isn't in memory. */
enum gts_dirplist_end { GTS_DIRPLIST_DONE, GTS_DIRPLIST_BUDGET, GTS_DIRPLIST_COUNT, GTS_DIRPLIST_ROOM, GTS_DIRPLIST_MISSING };

struct gts_dirplisted {
  enum gts_dirplist_end end;
  /* Bytes of `dents` that are done, the cookie of the last of them, entries written, what they cost, and their bytes. */
  size_t consumed;
  uint64_t after;
  unsigned count;
  size_t cost;
  size_t written;
  /* How many files stand in `cold`, and what is in them. */
  unsigned cold_count;
  size_t cold_bytes;
};

/* Each entry is preceded by a 1 (spec/rpc-wire.md, §5.4: gfx_dirplist); there is no 0 behind the last. */
void gts_dirplist(const struct gts_dirplist *request, char *out, size_t size, struct gts_dirplisted *result);

#ifdef __cplusplus
}
#endif
