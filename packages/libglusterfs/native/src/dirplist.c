#include "dirplist.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "metadata_load.h"
#include "syscalls.h"

enum {
  ENTRY_COST = 209,
  /* spec/rpc-wire.md, §5.1 and §4.3. */
  IATTX_SIZE = 148,
  DICT_HEAD_SIZE = 12,
  DICT_PTR = 6,
  IATT_FLAGS = 0x17ff,
  IATT_FLAG_INO = 0x100,
  GFID_SIZE = 16,
  /* spec/brick.md, §2.5. */
  MDATA_SIZE = 57,
  MDATA_VERSION = 1,
  VALUE_USUAL = 512,
  LIST_USUAL = 1024,
  LIST_SIZE = 16384,
  CONTENT_MAX = 1024 * 1024,
  /* Since Linux 6.13; the C library has no names for them yet. */
  SYSCALL_GETXATTRAT = 464,
  SYSCALL_LISTXATTRAT = 465,
};

static const char CONTENT[] = "glusterfs.content";
static const char HIDDEN[] = ".glusterfs";

struct dent {
  uint64_t ino;
  int64_t off;
  uint16_t length;
  uint8_t type;
  char name[];
};

struct xattr_value {
  uint64_t value;
  uint32_t size;
  uint32_t flags;
};

/* One entry while it is written. */
struct entry {
  const struct gts_dirplist *request;
  struct gts_dirplisted *result;
  const char *name;
  size_t name_length;
  struct stat st;
};

static size_t padded(size_t size) { return (size + 3) & ~(size_t)3; }

static char *put32(char *at, uint32_t value) {
  value = __builtin_bswap32(value);
  memcpy(at, &value, sizeof value);
  return at + sizeof value;
}

static char *put64(char *at, uint64_t value) {
  value = __builtin_bswap64(value);
  memcpy(at, &value, sizeof value);
  return at + sizeof value;
}

static uint64_t get64(const unsigned char *at) {
  uint64_t value;
  memcpy(&value, at, sizeof value);
  return __builtin_bswap64(value);
}

static char *put_bytes(char *at, const char *bytes, size_t size) {
  memcpy(at, bytes, size);
  memset(at + size, 0, padded(size) - size);
  return at + padded(size);
}

/* Whether this kernel reads xattrs by directory and name. Found out by the first that is asked. */
static int by_name = 1;

static int refused(int failure) { return failure == ENOSYS || failure == EPERM; }

static const char *path_of(const struct entry *entry, char *path) {
  size_t prefix = strlen(entry->request->directory);
  if (prefix + 1 + entry->name_length >= PATH_MAX) {
    errno = ENAMETOOLONG;
    return NULL;
  }
  memcpy(path, entry->request->directory, prefix);
  path[prefix] = '/';
  memcpy(path + prefix + 1, entry->name, entry->name_length + 1);
  return path;
}

static ssize_t get_xattr(const struct entry *entry, const char *name, void *value, size_t size) {
  if (by_name) {
    struct xattr_value args = {(uint64_t)(uintptr_t)value, (uint32_t)size, 0};
    ssize_t length = syscall(SYSCALL_GETXATTRAT, entry->request->fd, entry->name, AT_SYMLINK_NOFOLLOW, name, &args, sizeof args);
    if (length >= 0 || !refused(errno)) return length;
    by_name = 0;
  }
  char path[PATH_MAX];
  if (!path_of(entry, path)) return -1;
  return lgetxattr(path, name, value, size);
}

/* The kernel clears as much memory as it is offered: what is usually enough comes first. */
static ssize_t get_value(const struct entry *entry, const char *name, char *at, const char *end) {
  size_t room = (size_t)(end - at), usual = room < VALUE_USUAL ? room : VALUE_USUAL;
  ssize_t size = get_xattr(entry, name, at, usual);
  return size < 0 && errno == ERANGE && room > usual ? get_xattr(entry, name, at, room) : size;
}

static ssize_t list_xattrs(const struct entry *entry, char *list, size_t size) {
  if (by_name) {
    ssize_t length = syscall(SYSCALL_LISTXATTRAT, entry->request->fd, entry->name, AT_SYMLINK_NOFOLLOW, list, size);
    if (length >= 0 || !refused(errno)) return length;
    by_name = 0;
  }
  char path[PATH_MAX];
  if (!path_of(entry, path)) return -1;
  return llistxattr(path, list, size);
}

static int listed(const char *list, ssize_t size, const char *name, size_t length) {
  for (const char *at = list; at < list + size; at += strlen(at) + 1)
    if (memcmp(at, name, length + 1) == 0) return 1;
  return 0;
}

/* Whether a read of an fd may wait for a disk. Asked once for a file system, since all entries of a brick lie on the same. */
static int may_wait(int fd, dev_t device) {
  static dev_t asked;
  static int never = -1;
  if (never < 0 || asked != device) {
    never = gts_never_waits(fd);
    asked = device;
  }
  return !never;
}

/* A file's content, if it is in memory: what a lookup would bring along (quick-read). -1: none. */
static ssize_t get_content(const struct entry *entry, char *at, const char *end) {
  uint64_t size = (uint64_t)entry->st.st_size;
  if (!S_ISREG(entry->st.st_mode) || (int64_t)size > entry->request->content_max || size > CONTENT_MAX) return -1;
  if ((size_t)(end - at) < padded(size)) return -2;
  int fd = openat(entry->request->fd, entry->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return -1;
  struct iovec iov = {at, size};
  long count = size == 0 ? 0 : gts_preadv(fd, &iov, 1, 0, may_wait(fd, entry->st.st_dev));
  /* A read that may not wait has begun to fetch what it didn't find. */
  if (count == -EAGAIN && entry->result->cold_count < entry->request->cold_max) {
    entry->request->cold[entry->result->cold_count++] = fd;
    entry->result->cold_bytes += size;
  } else {
    close(fd);
  }
  return count < 0 ? -1 : count;
}

/* The dict with what is wanted of the entry. NULL: no room. */
static char *put_dict(const struct entry *entry, char *at, const char *end) {
  const struct gts_dirplist *request = entry->request;
  if (end - at < DICT_HEAD_SIZE) return NULL;
  char *head = at;
  at += DICT_HEAD_SIZE;
  char list[LIST_SIZE + XATTR_NAME_MAX + 1];
  ssize_t list_size = 0;
  int asked = 0;
  uint32_t count = 0;
  for (const char *name = request->wanted; name < request->wanted + request->wanted_size;) {
    size_t length = strlen(name);
    const char *key = name;
    name += length + 1;
    int content = strcmp(key, CONTENT) == 0;
    if (!content) {
      if (length > XATTR_NAME_MAX) continue;
      if (!asked) {
        /* Most of what is wanted isn't there, and one list is cheaper than the misses. Unlisted: every name is tried. */
        asked = 1;
        list_size = list_xattrs(entry, list, LIST_USUAL);
        if (list_size < 0 && errno == ERANGE) list_size = list_xattrs(entry, list, LIST_SIZE);
        if (list_size >= 0) memset(list + list_size, 0, XATTR_NAME_MAX + 1);
      }
      if (list_size >= 0 && !listed(list, list_size, key, length)) continue;
    }
    size_t key_size = 4 + padded(length + 1) + 4 + 4;
    if ((size_t)(end - at) <= key_size) return NULL;
    char *value = at + key_size;
    ssize_t size;
    if (content) {
      size = get_content(entry, value, end);
      if (size == -2) return NULL;
    } else {
      /* With no room at all the call would answer the size instead of the value. */
      size = get_value(entry, key, value, end);
      if (size < 0 && errno == ERANGE) return NULL;
    }
    if (size < 0) continue;
    if (padded((size_t)size) > (size_t)(end - value)) return NULL;
    at = put32(at, (uint32_t)length + 1);
    at = put_bytes(at, key, length + 1);
    at = put32(at, DICT_PTR);
    at = put32(at, (uint32_t)size);
    memset(at + size, 0, padded((size_t)size) - (size_t)size);
    at += padded((size_t)size);
    count++;
  }
  put32(put32(put32(head, (uint32_t)(at - head - DICT_HEAD_SIZE)), count), count);
  return at;
}

static char *put_no_dict(char *at) { return put32(put32(put32(at, 0), (uint32_t)-1), 0); }

/* iattx (spec/rpc-wire.md, §5.1; spec/brick.md, §3.1). Answers the inode number that clients see. */
static uint64_t put_iattx(const struct entry *entry, char *at) {
  const struct stat *st = &entry->st;
  unsigned char gfid[GFID_SIZE] = {0};
  uint64_t flags = IATT_FLAGS;
  int known = get_xattr(entry, "trusted.gfid", gfid, sizeof gfid) == GFID_SIZE;
  if (!known) memset(gfid, 0, sizeof gfid);
  for (known = 0; known < GFID_SIZE && gfid[known] == 0;) known++;
  uint64_t ino = known < GFID_SIZE ? get64(gfid + 8) : UINT64_MAX;
  if (known == GFID_SIZE) flags &= ~(uint64_t)IATT_FLAG_INO;

  uint64_t atime = (uint64_t)st->st_atim.tv_sec, mtime = (uint64_t)st->st_mtim.tv_sec, ctime = (uint64_t)st->st_ctim.tv_sec;
  uint32_t atime_nsec = (uint32_t)st->st_atim.tv_nsec, mtime_nsec = (uint32_t)st->st_mtim.tv_nsec, ctime_nsec = (uint32_t)st->st_ctim.tv_nsec;
  unsigned char mdata[256];
  if (entry->request->flags & GTS_DIRPLIST_MDATA && get_xattr(entry, "trusted.glusterfs.mdata", mdata, sizeof mdata) >= MDATA_SIZE && mdata[0] == MDATA_VERSION) {
    ctime = get64(mdata + 9);
    ctime_nsec = (uint32_t)get64(mdata + 17);
    mtime = get64(mdata + 25);
    mtime_nsec = (uint32_t)get64(mdata + 33);
    atime = get64(mdata + 41);
    atime_nsec = (uint32_t)get64(mdata + 49);
  }
  uint64_t size = (uint64_t)st->st_size, most = (size + 511) / 512, blocks = (uint64_t)st->st_blocks;
  /* A file's handle is a link of its own. */
  uint32_t nlink = (uint32_t)st->st_nlink - (!S_ISDIR(st->st_mode) && st->st_nlink > 0);

  memcpy(at, gfid, GFID_SIZE);
  at = put64(at + GFID_SIZE, flags);
  at = put64(at, ino);
  at = put64(at, st->st_dev);
  at = put64(at, (uint64_t)major(st->st_rdev) << 32 | minor(st->st_rdev));
  at = put64(at, size);
  at = put64(at, blocks < most ? blocks : most);
  at = put64(at, 0);
  at = put64(at, 0);
  at = put64(at, atime);
  at = put64(at, mtime);
  at = put64(at, ctime);
  at = put64(at, 0);
  at = put32(at, atime_nsec);
  at = put32(at, mtime_nsec);
  at = put32(at, ctime_nsec);
  at = put32(at, 0);
  at = put32(at, nlink);
  at = put32(at, st->st_uid);
  at = put32(at, st->st_gid);
  at = put32(at, (uint32_t)st->st_blksize);
  put32(at, st->st_mode);
  return ino;
}

/* Behind it; NULL: no room. */
static char *put_entry(const struct gts_dirplist *request, const struct dent *dent, struct entry *entry, int status, uint8_t type, char *at, const char *end) {
  size_t length = entry->name_length;
  size_t fixed = 4 + 8 + 8 + 4 + 4 + 4 + padded(length) + IATTX_SIZE + DICT_HEAD_SIZE;
  if ((size_t)(end - at) < fixed) return NULL;
  char *number = at + 4;
  at = put32(at, 1);
  at = put64(at, dent->ino);
  at = put64(at, (uint64_t)dent->off);
  at = put32(at, (uint32_t)length);
  at = put32(at, type);
  at = put32(at, (uint32_t)length);
  at = put_bytes(at, entry->name, length);
  if (request->flags & GTS_DIRPLIST_ROOT && strcmp(entry->name, "..") == 0) {
    /* What lies above the volume is nobody's business. */
    put64(number, UINT64_MAX);
    status = -1;
  } else if (request->flags & GTS_DIRPLIST_BARE) status = -1;
  else if (status == 0 && entry->st.st_dev == request->hidden_dev && entry->st.st_ino == request->hidden_ino) status = -1;
  if (status != 0) {
    memset(at, 0, IATTX_SIZE);
    return put_no_dict(at + IATTX_SIZE);
  }
  put64(number, put_iattx(entry, at));
  at += IATTX_SIZE;
  return request->flags & GTS_DIRPLIST_DICT ? put_dict(entry, at, end) : put_no_dict(at);
}

static int stat_entry(const struct gts_dirplist *request, struct entry *entry) {
  if (request->flags & GTS_DIRPLIST_CACHED) return gts_fstatat_cached(request->fd, entry->name, &entry->st);
  return fstatat(request->fd, entry->name, &entry->st, AT_SYMLINK_NOFOLLOW);
}

static uint8_t type_of_mode(mode_t mode) { return (uint8_t)IFTODT(mode); }

void gts_dirplist(const struct gts_dirplist *request, char *out, size_t size, struct gts_dirplisted *result) {
  const char *end = out + size;
  char *at = out;
  memset(result, 0, sizeof *result);
  while (result->consumed < request->dents_size) {
    const struct dent *dent = (const struct dent *)(const void *)(request->dents + result->consumed);
    struct entry entry = {.request = request, .result = result, .name = dent->name, .name_length = strlen(dent->name)};
    int status = 1;
    uint8_t type = dent->type;
    if (type == DT_UNKNOWN) {
      status = stat_entry(request, &entry);
      if (status < 0 && errno == EAGAIN) result->end = GTS_DIRPLIST_MISSING;
      if (result->end != GTS_DIRPLIST_DONE) break;
      if (status == 0) type = type_of_mode(entry.st.st_mode);
    }
    int skipped = (request->flags & GTS_DIRPLIST_ROOT && strcmp(entry.name, HIDDEN) == 0) || (request->flags & GTS_DIRPLIST_SKIP_DIRECTORIES && type == DT_DIR);
    if (!skipped) {
      size_t cost = ENTRY_COST + entry.name_length;
      if (result->cost + cost > request->budget) result->end = GTS_DIRPLIST_BUDGET;
      else if (result->count == request->count_max) result->end = GTS_DIRPLIST_COUNT;
      if (result->end != GTS_DIRPLIST_DONE) break;
      if (status > 0) status = stat_entry(request, &entry);
      if (status < 0 && errno == EAGAIN) {
        result->end = GTS_DIRPLIST_MISSING;
        break;
      }
      char *behind = put_entry(request, dent, &entry, status, type, at, end);
      if (!behind) {
        result->end = GTS_DIRPLIST_ROOM;
        break;
      }
      at = behind;
      result->count++;
      result->cost += cost;
    }
    result->consumed += dent->length;
    result->after = (uint64_t)dent->off;
  }
  result->written = (size_t)(at - out);
}
