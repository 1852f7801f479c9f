#include "entry_stats.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/xattr.h>

#include "syscalls.h"

enum { LIST_SIZE = 16384, VALUE_HEAD = 8 };

static size_t padded(size_t size) { return (size + 7) & ~(size_t)7; }

static int listed(const char *list, ssize_t size, const char *name, size_t length) {
  for (const char *at = list; at < list + size; at += strlen(at) + 1)
    if (memcmp(at, name, length + 1) == 0) return 1;
  return 0;
}

/* Appends the values at `at`; returns their end, or NULL when `end` is too near. */
static char *add_values(const char *path, const char *wanted, size_t wanted_size, char *at, const char *end) {
  char list[LIST_SIZE + XATTR_NAME_MAX + 1];
  memset(list + LIST_SIZE, 0, sizeof list - LIST_SIZE);
  /* Most of what is wanted isn't there, and one list is cheaper than the misses. Unlisted: every name is tried. */
  ssize_t list_size = llistxattr(path, list, LIST_SIZE);
  uint32_t number = 0;
  for (const char *name = wanted; name < wanted + wanted_size; number++) {
    size_t length = strlen(name);
    if (length <= XATTR_NAME_MAX && (list_size < 0 || listed(list, list_size, name, length))) {
      /* With no room at all the call would answer the size instead of the value. */
      if (end - at <= VALUE_HEAD) return NULL;
      ssize_t size = lgetxattr(path, name, at + VALUE_HEAD, (size_t)(end - at) - VALUE_HEAD);
      if (size < 0 && errno == ERANGE) return NULL;
      if (size >= 0) {
        uint32_t head[2] = {number, (uint32_t)size};
        memcpy(at, head, sizeof head);
        if (padded((size_t)size) > (size_t)(end - at) - VALUE_HEAD) return NULL;
        at += VALUE_HEAD + padded((size_t)size);
      }
    }
    name += length + 1;
  }
  return at;
}

long gts_entry_stats(const char *directory, const char *names, size_t names_size, const char *wanted, size_t wanted_size, char *out, size_t size) {
  char path[PATH_MAX];
  size_t prefix = strlen(directory);
  if (prefix + 2 > sizeof path) return -ENAMETOOLONG;
  memcpy(path, directory, prefix);
  path[prefix++] = '/';
  const char *end = out + size;
  long count = 0;
  char *record = out;
  for (const char *name = names; name < names + names_size; count++) {
    size_t length = strlen(name);
    char *at = record + GTS_ENTRY_HEAD + GTS_STAT_CELLS * sizeof(union gts_cell);
    if (at > end) break;
    int32_t status = -ENAMETOOLONG;
    if (prefix + length < sizeof path) {
      memcpy(path + prefix, name, length + 1);
      status = (int32_t)gts_lstat(path, (union gts_cell *)(void *)(record + GTS_ENTRY_HEAD));
    }
    if (status == 0) {
      at = add_values(path, wanted, wanted_size, at, end);
      if (!at) break;
    }
    uint32_t used = (uint32_t)(at - record);
    memcpy(record, &status, sizeof status);
    memcpy(record + 4, &used, sizeof used);
    record = at;
    name += length + 1;
  }
  return count;
}
