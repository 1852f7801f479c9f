/* The attributes and some xattrs of many entries of one directory, gathered for readdirp. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * One record for each entry, in the order of `names`, each 8-aligned:
 *   int32 0 or -errno of lstat; uint32 size of the record; the stat in GTS_STAT_CELLS cells;
 *   then for each wanted xattr that is there: uint32 its number in `wanted`, uint32 its length, its bytes, padding to 8.
 */
enum { GTS_ENTRY_HEAD = 8 };

/*
 * `names` and `wanted` are lists of NUL-ended names. Answers how many entries are in `out`: fewer than named when it is full,
 * 0 when not even the first fits; or -errno.
 */
long gts_entry_stats(const char *directory, const char *names, size_t names_size, const char *wanted, size_t wanted_size, char *out, size_t size);

#ifdef __cplusplus
}
#endif
