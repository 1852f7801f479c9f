// System calls for JavaScript: plain functions on byte paths that return a number, -errno on failure. They throw only for
// arguments of the wrong kind. Raw Node-API, because the C++ wrapper costs more than most of these calls.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <uv.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "bindings.h"
#include "dirplist.h"
#include "metadata_load.h"
#include "stall_guard.h"
#include "stand_in.h"
#include "syscalls.h"
#include "syscalls_pool.h"

namespace {

constexpr size_t kScratchSize = 128 * 1024;
constexpr size_t kXattrUsual = 512;
constexpr int kIovMax = 1024;
// The names of the xattrs that a Dirplist wants, and the room for its answer: an entry with the content of a file of 1 MiB fits.
constexpr size_t kWantedSize = 8 * 1024;
constexpr size_t kListingSize = 2 * 1024 * 1024;
constexpr size_t kColdFiles = 128;
// As many as io-threads' thread-count is by default.
constexpr int kPoolThreads = 16;
constexpr size_t kArgsMax = 12;

// What every call shares: the cells that stats are written to, the scratch page for names and xattr values, the pool.
struct State {
  napi_env env = nullptr;
  gts_cell cells[GTS_STAT_CELLS * GTS_STAT_SLOTS];
  alignas(8) char scratch[kScratchSize];
  alignas(8) char listing[kListingSize];
  int cold[kColdFiles];
  gts_pool *pool = nullptr;
  uv_async_t wake;
  bool wake_open = false;
  uint32_t in_flight = 0;
  napi_ref on_done = nullptr;
  struct stall_guard guard = {};
  // Changes and looks: on_turn makes those that wait for their turn, outside of everything else.
  napi_ref on_turn = nullptr;
  uv_idle_t turn_idle;
  uv_check_t turn_check;
  napi_async_context turn_context = nullptr;
  napi_ref turn_resource = nullptr;
  bool turn_wanted = false, in_turn = false;
  struct stand_in *stand_in = nullptr;
  // Of each that another thread stands in for: what it has in the cells, and its thread.
  gts_cell cells_kept[STAND_IN_MAX][GTS_STAT_CELLS * GTS_STAT_SLOTS];
  int32_t thread_kept[STAND_IN_MAX];
  // Where listings are written that are made in turn, for each thread.
  std::unique_ptr<char[]> listings[STAND_IN_MAX];
  std::vector<std::pair<void (*)(void *), void *>> on_stand_in;
};

// The states of the environments of this process, for WatchStalls.
std::mutex states_lock;
std::unordered_map<napi_env, State *> states;

class Args {
 public:
  Args(napi_env env, napi_callback_info info) : env_(env) {
    count_ = kArgsMax;
    void *data = nullptr;
    napi_get_cb_info(env, info, &count_, values_, nullptr, &data);
    state = static_cast<State *>(data);
    stall_enter(&state->guard);
  }
  ~Args() { stall_leave(&state->guard); }
  Args(const Args &) = delete;
  Args &operator=(const Args &) = delete;
  // A byte string; false, with errno in `failure`, when it is too long or holds a NUL.
  bool path(size_t i, char *out, size_t size) {
    size_t length = 0;
    if (napi_get_value_string_latin1(env_, values_[i], out, size, &length) != napi_ok) return fail(EINVAL);
    if (length + 1 >= size) return fail(ENAMETOOLONG);
    if (memchr(out, 0, length)) return fail(EINVAL);
    return true;
  }
  // NUL-ended names one after the other; false, with EINVAL, when they are too many or the last has no end.
  bool names(size_t i, char *out, size_t size, size_t *length) {
    if (napi_get_value_string_latin1(env_, values_[i], out, size, length) != napi_ok) return fail(EINVAL);
    return (*length + 1 < size && (*length == 0 || out[*length - 1] == 0)) || fail(EINVAL);
  }
  int64_t i64(size_t i) {
    int64_t value = 0;
    if (napi_get_value_int64(env_, values_[i], &value) != napi_ok) failure = EINVAL;
    return value;
  }
  // A bigint taken modulo 2^64.
  int64_t big(size_t i) {
    int64_t value = 0;
    bool lossless = false;
    if (napi_get_value_bigint_int64(env_, values_[i], &value, &lossless) != napi_ok) failure = EINVAL;
    return value;
  }
  int num(size_t i) { return static_cast<int>(i64(i)); }
  bool bytes(size_t i, void **data, size_t *length) { return view(values_[i], data, length); }
  bool view(napi_value value, void **data, size_t *length) {
    napi_typedarray_type type;
    if (napi_get_typedarray_info(env_, value, &type, length, data, nullptr, nullptr) != napi_ok || type != napi_uint8_array) return fail(EINVAL);
    return true;
  }
  // An array of Uint8Arrays.
  bool vector(size_t i, struct iovec *iov, int *count) {
    uint32_t length = 0;
    if (napi_get_array_length(env_, values_[i], &length) != napi_ok || length > kIovMax) return fail(EINVAL);
    for (uint32_t k = 0; k < length; k++) {
      napi_value element;
      size_t size = 0;
      if (napi_get_element(env_, values_[i], k, &element) != napi_ok || !view(element, &iov[k].iov_base, &size)) return fail(EINVAL);
      iov[k].iov_len = size;
    }
    *count = static_cast<int>(length);
    return true;
  }
  gts_cell *slot(size_t i) {
    int64_t index = i64(i);
    if (index < 0 || index >= GTS_STAT_SLOTS) {
      failure = EINVAL;
      index = 0;
    }
    return state->cells + index * GTS_STAT_CELLS;
  }
  napi_value answer(int64_t result) {
    napi_value value = nullptr;
    napi_create_int64(env_, failure ? -failure : result, &value);
    return value;
  }
  // Of what is made in turn: while the call doesn't come back, another thread may go on with the loop. It touches nothing that JavaScript sees, and answers -errno.
  template <typename Call>
  int64_t away(Call call) {
    Away away(state->in_turn ? state->stand_in : nullptr);
    return call();
  }
  template <typename Call>
  napi_value waited(Call call) {
    return answer(away(call));
  }
  // The same of a system call, whose -1 is made -errno.
  template <typename Call>
  napi_value wait(Call call) {
    return answer(away([&] { return failed_as(call()); }));
  }
  // Of one that fills a slot.
  template <typename Call>
  napi_value stat(gts_cell *slot, Call call) {
    if (!state->in_turn) return answer(call(slot));
    gts_cell own[GTS_STAT_CELLS];
    int64_t result = away([&] { return static_cast<int64_t>(call(own)); });
    if (result >= 0) memcpy(slot, own, sizeof own);
    return answer(result);
  }
  // Of a system call that puts as many bytes as it answers into the scratch page. By itself: others shouldn't have its room on their stack.
  template <size_t kSize, typename Call>
  __attribute__((noinline)) int64_t scratch(Call call) {
    if (!state->in_turn) return failed_as(call(state->scratch, kSize));
    char own[kSize];
    int64_t result = away([&] { return failed_as(call(own, kSize)); });
    if (result > 0) memcpy(state->scratch, own, static_cast<size_t>(result));
    return result;
  }
  // A system call's -1 made -errno.
  napi_value syscall(int64_t result) { return answer(result < 0 ? -errno : result); }
  napi_value failed() { return answer(-failure); }
  napi_env env() const { return env_; }
  size_t count() const { return count_; }

  State *state;
  int failure = 0;

 private:
  static int64_t failed_as(int64_t result) { return result < 0 ? -static_cast<int64_t>(errno) : result; }
  bool fail(int code) {
    failure = code;
    return false;
  }
  napi_env env_;
  size_t count_;
  napi_value values_[kArgsMax];
};

#define CALL(name) napi_value name(napi_env env, napi_callback_info info)
#define PATH_ARG(variable, index) \
  char variable[PATH_MAX + 1];    \
  if (!a.path(index, variable, sizeof variable)) return a.failed()
#define NAME_ARG(variable, index)     \
  char variable[XATTR_NAME_MAX + 16]; \
  if (!a.path(index, variable, sizeof variable)) return a.failure == ENAMETOOLONG ? a.answer(a.failure = ERANGE) : a.failed()
#define CHECK_ARGS() \
  if (a.failure) return a.failed()

CALL(Open) {
  Args a(env, info);
  PATH_ARG(path, 0);
  int flags = a.num(1), mode = a.num(2);
  CHECK_ARGS();
  return a.wait([&] { return open(path, flags | O_CLOEXEC, mode); });
}
CALL(Openat) {
  Args a(env, info);
  PATH_ARG(path, 1);
  int dir = a.num(0), flags = a.num(2), mode = a.num(3);
  CHECK_ARGS();
  return a.wait([&] { return openat(dir, path, flags | O_CLOEXEC, mode); });
}
CALL(Close) {
  Args a(env, info);
  int fd = a.num(0);
  CHECK_ARGS();
  return a.wait([&] { return close(fd); });
}
CALL(Stat) {
  Args a(env, info);
  PATH_ARG(path, 0);
  gts_cell *out = a.slot(1);
  CHECK_ARGS();
  return a.stat(out, [&](gts_cell *cells) { return gts_stat(path, cells); });
}
CALL(Lstat) {
  Args a(env, info);
  PATH_ARG(path, 0);
  gts_cell *out = a.slot(1);
  CHECK_ARGS();
  return a.stat(out, [&](gts_cell *cells) { return gts_lstat(path, cells); });
}
CALL(Lstatat) {
  Args a(env, info);
  int fd = a.num(0);
  PATH_ARG(path, 1);
  gts_cell *out = a.slot(2);
  CHECK_ARGS();
  return a.stat(out, [&](gts_cell *cells) { return gts_lstatat(fd, path, cells); });
}
// -EAGAIN when the kernel would have to ask the disk.
CALL(LstatCached) {
  Args a(env, info);
  PATH_ARG(path, 0);
  gts_cell *out = a.slot(1);
  CHECK_ARGS();
  return a.stat(out, [&](gts_cell *cells) { return gts_lstatat_cached(AT_FDCWD, path, cells); });
}
CALL(BlocksRead) {
  Args a(env, info);
  return a.answer(gts_blocks_read());
}
CALL(Fstat) {
  Args a(env, info);
  int fd = a.num(0);
  gts_cell *out = a.slot(1);
  CHECK_ARGS();
  return a.stat(out, [&](gts_cell *cells) { return gts_fstat(fd, cells); });
}
CALL(Statvfs) {
  Args a(env, info);
  PATH_ARG(path, 0);
  gts_cell *out = a.slot(1);
  CHECK_ARGS();
  return a.stat(out, [&](gts_cell *cells) { return gts_statvfs(path, cells); });
}
CALL(InMemory) {
  Args a(env, info);
  PATH_ARG(path, 0);
  return a.answer(gts_in_memory(path));
}
CALL(Mkdir) {
  Args a(env, info);
  PATH_ARG(path, 0);
  int mode = a.num(1);
  CHECK_ARGS();
  return a.wait([&] { return mkdir(path, mode); });
}
CALL(Mknod) {
  Args a(env, info);
  PATH_ARG(path, 0);
  int mode = a.num(1);
  dev_t device = makedev(a.i64(2), a.i64(3));
  CHECK_ARGS();
  return a.wait([&] { return mknod(path, mode, device); });
}
CALL(Link) {
  Args a(env, info);
  PATH_ARG(from, 0);
  PATH_ARG(to, 1);
  return a.wait([&] { return linkat(AT_FDCWD, from, AT_FDCWD, to, 0); });
}
CALL(Symlink) {
  Args a(env, info);
  PATH_ARG(target, 0);
  PATH_ARG(path, 1);
  return a.wait([&] { return symlink(target, path); });
}
CALL(Readlink) {
  Args a(env, info);
  PATH_ARG(path, 0);
  return a.answer(a.scratch<PATH_MAX>([&](char *target, size_t size) { return readlink(path, target, size); }));
}
CALL(Rename) {
  Args a(env, info);
  PATH_ARG(from, 0);
  PATH_ARG(to, 1);
  return a.wait([&] { return rename(from, to); });
}
CALL(Unlink) {
  Args a(env, info);
  PATH_ARG(path, 0);
  return a.wait([&] { return unlink(path); });
}
CALL(Rmdir) {
  Args a(env, info);
  PATH_ARG(path, 0);
  return a.wait([&] { return rmdir(path); });
}
CALL(Truncate) {
  Args a(env, info);
  PATH_ARG(path, 0);
  int64_t length = a.i64(1);
  CHECK_ARGS();
  return a.wait([&] { return truncate(path, length); });
}
CALL(Chmod) {
  Args a(env, info);
  PATH_ARG(path, 0);
  int mode = a.num(1);
  CHECK_ARGS();
  return a.wait([&] { return chmod(path, mode); });
}
CALL(Fchmod) {
  Args a(env, info);
  int fd = a.num(0), mode = a.num(1);
  CHECK_ARGS();
  return a.wait([&] { return fchmod(fd, mode); });
}
CALL(Lchown) {
  Args a(env, info);
  PATH_ARG(path, 0);
  int64_t uid = a.i64(1), gid = a.i64(2);
  CHECK_ARGS();
  return a.wait([&] { return lchown(path, static_cast<uid_t>(uid), static_cast<gid_t>(gid)); });
}
CALL(Fchown) {
  Args a(env, info);
  int fd = a.num(0);
  int64_t uid = a.i64(1), gid = a.i64(2);
  CHECK_ARGS();
  return a.wait([&] { return fchown(fd, static_cast<uid_t>(uid), static_cast<gid_t>(gid)); });
}
CALL(Utimens) {
  Args a(env, info);
  PATH_ARG(path, 0);
  int64_t at = a.i64(1), an = a.i64(2), mt = a.i64(3), mn = a.i64(4);
  CHECK_ARGS();
  return a.waited([&] { return gts_utimens(-1, path, at, an, mt, mn); });
}
CALL(Futimens) {
  Args a(env, info);
  int fd = a.num(0);
  int64_t at = a.i64(1), an = a.i64(2), mt = a.i64(3), mn = a.i64(4);
  CHECK_ARGS();
  return a.waited([&] { return gts_utimens(fd, nullptr, at, an, mt, mn); });
}
// The kernel allocates and clears as much memory as it is offered, up to 64 KiB: what is usually enough is offered first.
template <typename Call>
napi_value Xattr(Args &a, Call call) {
  int64_t size = a.scratch<kXattrUsual>(call);
  return a.answer(size == -ERANGE ? a.scratch<kScratchSize>(call) : size);
}
CALL(Lgetxattr) {
  Args a(env, info);
  PATH_ARG(path, 0);
  NAME_ARG(name, 1);
  return Xattr(a, [&](char *value, size_t size) { return lgetxattr(path, name, value, size); });
}
CALL(Fgetxattr) {
  Args a(env, info);
  int fd = a.num(0);
  NAME_ARG(name, 1);
  CHECK_ARGS();
  return Xattr(a, [&](char *value, size_t size) { return fgetxattr(fd, name, value, size); });
}
CALL(Llistxattr) {
  Args a(env, info);
  PATH_ARG(path, 0);
  return Xattr(a, [&](char *value, size_t size) { return llistxattr(path, value, size); });
}
CALL(Flistxattr) {
  Args a(env, info);
  int fd = a.num(0);
  CHECK_ARGS();
  return Xattr(a, [&](char *value, size_t size) { return flistxattr(fd, value, size); });
}
CALL(Lsetxattr) {
  Args a(env, info);
  PATH_ARG(path, 0);
  NAME_ARG(name, 1);
  void *value;
  size_t size;
  if (!a.bytes(2, &value, &size)) return a.failed();
  int flags = a.num(3);
  CHECK_ARGS();
  return a.wait([&] { return lsetxattr(path, name, value, size, flags); });
}
CALL(Fsetxattr) {
  Args a(env, info);
  int fd = a.num(0);
  NAME_ARG(name, 1);
  void *value;
  size_t size;
  if (!a.bytes(2, &value, &size)) return a.failed();
  int flags = a.num(3);
  CHECK_ARGS();
  return a.wait([&] { return fsetxattr(fd, name, value, size, flags); });
}
CALL(Lremovexattr) {
  Args a(env, info);
  PATH_ARG(path, 0);
  NAME_ARG(name, 1);
  return a.wait([&] { return lremovexattr(path, name); });
}
CALL(Fremovexattr) {
  Args a(env, info);
  int fd = a.num(0);
  NAME_ARG(name, 1);
  CHECK_ARGS();
  return a.wait([&] { return fremovexattr(fd, name); });
}
CALL(Getdents) {
  Args a(env, info);
  int fd = a.num(0);
  CHECK_ARGS();
  return a.answer(a.scratch<kScratchSize>([&](char *dents, size_t size) {
    int64_t result = gts_getdents(fd, dents, size);
    if (result < 0) errno = static_cast<int>(-result);
    return result < 0 ? -1 : result;
  }));
}
// (fd, directory, dents, wanted, cells): cells are doubles: flags, content_max, slot of `.glusterfs`, budget, count_max, cold_max; they come
// back as end, consumed, count, cost, written, `after` as u64, cold_count and cold_bytes. What was written lies in `listing`, the cold files in `cold`.
CALL(Dirplist) {
  Args a(env, info);
  PATH_ARG(directory, 1);
  char wanted[kWantedSize];
  size_t wanted_size = 0, dents_size = 0, cells_size = 0;
  void *dents = nullptr, *data = nullptr;
  int fd = a.num(0);
  CHECK_ARGS();
  if (!a.bytes(2, &dents, &dents_size) || !a.names(3, wanted, sizeof wanted, &wanted_size) || !a.bytes(4, &data, &cells_size)) return a.failed();
  if (cells_size < 8 * sizeof(gts_cell)) return a.answer(-EINVAL);
  auto *cells = static_cast<gts_cell *>(data);
  auto slot = static_cast<size_t>(cells[2].f64);
  if (slot >= GTS_STAT_SLOTS) return a.answer(-EINVAL);
  const gts_cell *hidden = a.state->cells + slot * GTS_STAT_CELLS;
  struct gts_dirplist request = {};
  request.fd = fd;
  request.directory = directory;
  request.dents = static_cast<const char *>(dents);
  request.dents_size = dents_size;
  request.wanted = wanted;
  request.wanted_size = wanted_size;
  request.flags = static_cast<unsigned>(cells[0].f64);
  request.content_max = static_cast<int64_t>(cells[1].f64);
  request.hidden_dev = hidden[0].u64;
  request.hidden_ino = hidden[1].u64;
  request.budget = static_cast<size_t>(cells[3].f64);
  request.count_max = static_cast<unsigned>(cells[4].f64);
  int cold[kColdFiles];
  request.cold = cold;
  request.cold_max = std::min(static_cast<unsigned>(cells[5].f64), static_cast<unsigned>(kColdFiles));
  struct gts_dirplisted result;
  // What lies in `listing` may be another one's meanwhile.
  char *written = a.state->listing;
  if (a.state->in_turn && a.state->stand_in) {
    auto &own = a.state->listings[a.state->guard.stood_in];
    if (!own) own.reset(new (std::nothrow) char[kListingSize]);
    written = own.get();
  }
  if (!written) return a.answer(-ENOMEM);
  a.away([&] {
    gts_dirplist(&request, written, kListingSize, &result);
    return 0;
  });
  if (written != a.state->listing) memcpy(a.state->listing, written, result.written);
  memcpy(a.state->cold, cold, sizeof(int) * std::min(static_cast<size_t>(result.cold_count), kColdFiles));
  cells[0].f64 = result.end;
  cells[1].f64 = static_cast<double>(result.consumed);
  cells[2].f64 = result.count;
  cells[3].f64 = static_cast<double>(result.cost);
  cells[4].f64 = static_cast<double>(result.written);
  cells[5].u64 = result.after;
  cells[6].f64 = result.cold_count;
  cells[7].f64 = static_cast<double>(result.cold_bytes);
  return a.answer(0);
}
CALL(Lseek) {
  Args a(env, info);
  int fd = a.num(0);
  int64_t offset = a.i64(1);
  int whence = a.num(2);
  CHECK_ARGS();
  return a.wait([&] { return lseek(fd, offset, whence); });
}
// For directories, whose cookies use all 64 bits: 0 or -errno.
CALL(Seekdir) {
  Args a(env, info);
  int fd = a.num(0);
  int64_t cookie = a.big(1);
  CHECK_ARGS();
  return a.wait([&] { return lseek(fd, cookie, SEEK_SET) == -1 ? -1 : 0; });
}
CALL(Flock) {
  Args a(env, info);
  int fd = a.num(0), operation = a.num(1);
  CHECK_ARGS();
  return a.syscall(flock(fd, operation));
}
CALL(Setrlimit) {
  Args a(env, info);
  int resource = a.num(0);
  struct rlimit limit;
  limit.rlim_cur = static_cast<rlim_t>(a.i64(1));
  limit.rlim_max = static_cast<rlim_t>(a.i64(2));
  CHECK_ARGS();
  return a.syscall(setrlimit(static_cast<__rlimit_resource_t>(resource), &limit));
}
CALL(Umask) {
  Args a(env, info);
  int mask = a.num(0);
  CHECK_ARGS();
  return a.answer(umask(mask));
}
CALL(Mount) {
  Args a(env, info);
  PATH_ARG(source, 0);
  PATH_ARG(target, 1);
  NAME_ARG(type, 2);
  int64_t flags = a.i64(3);
  PATH_ARG(data, 4);
  CHECK_ARGS();
  return a.syscall(mount(source, target, type, static_cast<unsigned long>(flags), data));
}
CALL(Umount2) {
  Args a(env, info);
  PATH_ARG(target, 0);
  int flags = a.num(1);
  CHECK_ARGS();
  return a.syscall(umount2(target, flags));
}
CALL(Preadv) {
  Args a(env, info);
  int fd = a.num(0);
  struct iovec iov[kIovMax];
  int count;
  if (!a.vector(1, iov, &count)) return a.failed();
  int64_t offset = a.i64(2);
  int nowait = a.num(3);
  CHECK_ARGS();
  return a.waited([&] { return gts_preadv(fd, iov, count, offset, nowait); });
}
CALL(Pwritev) {
  Args a(env, info);
  int fd = a.num(0);
  struct iovec iov[kIovMax];
  int count;
  if (!a.vector(1, iov, &count)) return a.failed();
  int64_t offset = a.i64(2);
  CHECK_ARGS();
  return a.waited([&] { return gts_pwritev(fd, iov, count, offset); });
}
CALL(Xxh64) {
  Args a(env, info);
  PATH_ARG(text, 0);
  char hex[24];
  snprintf(hex, sizeof hex, "%016llx", static_cast<unsigned long long>(gts_xxh64(text, strlen(text), 0)));
  napi_value result = nullptr;
  napi_create_string_latin1(env, hex, 16, &result);
  return result;
}

// Runs on the pool's threads.
void Wake(void *data) { uv_async_send(&static_cast<State *>(data)->wake); }

// Hands all finished jobs to JavaScript in one call: ids and results, two numbers each.
void Drain(uv_async_t *handle) {
  State *state = static_cast<State *>(handle->data);
  gts_job *jobs = state->pool ? gts_pool_take(state->pool) : nullptr;
  if (!jobs) return;
  napi_env env = state->env;
  napi_handle_scope scope;
  napi_open_handle_scope(env, &scope);
  napi_value list, callback, receiver;
  napi_create_array(env, &list);
  uint32_t index = 0;
  while (jobs) {
    napi_value id, result;
    napi_create_uint32(env, jobs->id, &id);
    napi_create_int64(env, jobs->result, &result);
    napi_set_element(env, list, index++, id);
    napi_set_element(env, list, index++, result);
    gts_job *next = jobs->next;
    free(jobs);
    jobs = next;
    state->in_flight--;
  }
  if (state->in_flight == 0) uv_unref(reinterpret_cast<uv_handle_t *>(&state->wake));
  napi_get_reference_value(env, state->on_done, &callback);
  napi_get_global(env, &receiver);
  napi_async_context context;
  napi_value name;
  napi_create_string_latin1(env, "glusterts:syscalls", NAPI_AUTO_LENGTH, &name);
  if (napi_async_init(env, nullptr, name, &context) == napi_ok) {
    // Unlike napi_call_function, it runs the promise reactions before it returns.
    if (napi_make_callback(env, context, receiver, callback, 1, &list, nullptr) == napi_pending_exception) {
      napi_value error;
      napi_get_and_clear_last_exception(env, &error);
      napi_fatal_exception(env, error);
    }
    napi_async_destroy(env, context);
  }
  napi_close_handle_scope(env, scope);
}

// submit(op, id, fd, chunks, offset, length, mode, offset2[, lane[, xattr, value]]): the caller keeps the memory of chunks and lane
// alive until the job is done; xattr and value are copied.
CALL(Submit) {
  Args a(env, info);
  struct iovec iov[kIovMax];
  int count = 0;
  if (!a.vector(3, iov, &count)) return a.failed();
  char name[XATTR_NAME_MAX + 16];
  size_t name_size = 0, value_size = 0, lane_size = 0;
  void *value = nullptr, *lane = nullptr;
  if (a.count() > 8) {
    if (!a.bytes(8, &lane, &lane_size)) return a.failed();
    if (lane_size < sizeof(gts_lane) || reinterpret_cast<uintptr_t>(lane) % alignof(gts_lane) != 0) return a.answer(-EINVAL);
  }
  if (a.count() > 9) {
    if (!a.path(9, name, sizeof name) || !a.bytes(10, &value, &value_size)) return a.failed();
    name_size = strlen(name) + 1;
  }
  size_t vector_size = static_cast<size_t>(count) * sizeof(struct iovec);
  gts_job *job = static_cast<gts_job *>(calloc(1, sizeof(gts_job) + vector_size + name_size + value_size));
  if (!job) return a.answer(-ENOMEM);
  job->lane = static_cast<gts_lane *>(lane);
  if (name_size) {
    char *copy = reinterpret_cast<char *>(job->iov) + vector_size;
    memcpy(copy, name, name_size);
    memcpy(copy + name_size, value, value_size);
    job->store.name = copy;
    job->store.value = copy + name_size;
    job->store.size = value_size;
  }
  job->op = static_cast<gts_job_op>(a.num(0));
  job->id = static_cast<uint32_t>(a.i64(1));
  job->fd = a.num(2);
  job->offset = a.i64(4);
  job->length = a.i64(5);
  job->mode = a.num(6);
  job->offset2 = a.i64(7);
  // For copy_file_range `mode` is the target's fd.
  job->fd2 = job->mode;
  job->iov_count = count;
  memcpy(job->iov, iov, vector_size);
  if (a.failure) {
    free(job);
    return a.failed();
  }
  State *state = a.state;
  if (!state->pool) {
    // Seen from the watching thread too.
    __atomic_store_n(&state->pool, gts_pool_new(kPoolThreads, Wake, state), __ATOMIC_RELEASE);
    if (!state->pool) {
      free(job);
      return a.answer(-EAGAIN);
    }
  }
  if (state->in_flight++ == 0) uv_ref(reinterpret_cast<uv_handle_t *>(&state->wake));
  gts_pool_submit(state->pool, job);
  return a.answer(0);
}

// onDone(callback): who gets [id, result, id, result, …].
CALL(OnDone) {
  State *state;
  size_t count = 1;
  napi_value callback;
  napi_get_cb_info(env, info, &count, &callback, nullptr, reinterpret_cast<void **>(&state));
  if (state->on_done) napi_delete_reference(env, state->on_done);
  state->on_done = nullptr;
  napi_create_reference(env, callback, 1, &state->on_done);
  return nullptr;
}

// onTurn(callback): who makes what waits for its turn.
CALL(OnTurn) {
  State *state;
  size_t count = 1;
  napi_value callback;
  napi_get_cb_info(env, info, &count, &callback, nullptr, reinterpret_cast<void **>(&state));
  if (state->on_turn) napi_delete_reference(env, state->on_turn);
  state->on_turn = nullptr;
  napi_create_reference(env, callback, 1, &state->on_turn);
  return nullptr;
}

void StopWaiting(State *state) {
  state->turn_wanted = false;
  uv_idle_stop(&state->turn_idle);
  uv_check_stop(&state->turn_check);
}

// Calls on_turn, if that was asked for, with nothing of JavaScript around it; promise reactions are left to the caller. Whether it did.
bool TakeTurn(State *state) {
  if (!state->turn_wanted || state->in_turn) return false;
  StopWaiting(state);
  napi_env env = state->env;
  napi_handle_scope scope;
  napi_open_handle_scope(env, &scope);
  napi_value callback, receiver;
  napi_get_reference_value(env, state->on_turn, &callback);
  napi_get_global(env, &receiver);
  state->in_turn = true;
  if (napi_call_function(env, receiver, callback, 0, nullptr, nullptr) == napi_pending_exception) {
    napi_value error;
    napi_get_and_clear_last_exception(env, &error);
    napi_fatal_exception(env, error);
  }
  state->in_turn = false;
  napi_close_handle_scope(env, scope);
  return true;
}

// wantTurn(): on_turn is called soon: by the event pool after the batch that it handles, else before the loop waits again.
void WantTurn(State *state) {
  // The last that may stand in takes no turns: nobody would stand in for it. Those below go on with them.
  if (state->turn_wanted || state->in_turn || state->guard.stood_in == STAND_IN_MAX) return;
  state->turn_wanted = true;
  uv_idle_start(&state->turn_idle, [](uv_idle_t *) {});
  uv_check_start(&state->turn_check, [](uv_check_t *handle) {
    auto *state = static_cast<State *>(handle->data);
    napi_handle_scope scope;
    napi_open_handle_scope(state->env, &scope);
    if (TakeTurn(state)) {
      napi_value resource;
      napi_callback_scope reactions;
      napi_get_reference_value(state->env, state->turn_resource, &resource);
      if (napi_open_callback_scope(state->env, resource, state->turn_context, &reactions) == napi_ok) napi_close_callback_scope(state->env, reactions);
    }
    napi_close_handle_scope(state->env, scope);
  });
}
CALL(WantTurn) {
  State *state;
  napi_get_cb_info(env, info, nullptr, nullptr, nullptr, reinterpret_cast<void **>(&state));
  WantTurn(state);
  return nullptr;
}

// The loop takes its handles of one kind off their list while it runs them: those after the one that hangs would be run by nobody, node's own of setImmediate
// among them. Started anew they are on the list again.
void RunAll(uv_loop_t *loop) {
  uv_walk(loop, [](uv_handle_t *handle, void *) {
    if (!uv_is_active(handle)) return;
    switch (uv_handle_get_type(handle)) {
      case UV_CHECK: {
        auto *check = reinterpret_cast<uv_check_t *>(handle);
        uv_check_cb callback = check->check_cb;
        uv_check_stop(check);
        uv_check_start(check, callback);
        break;
      }
      case UV_IDLE: {
        auto *idle = reinterpret_cast<uv_idle_t *>(handle);
        uv_idle_cb callback = idle->idle_cb;
        uv_idle_stop(idle);
        uv_idle_start(idle, callback);
        break;
      }
      case UV_PREPARE: {
        auto *prepare = reinterpret_cast<uv_prepare_t *>(handle);
        uv_prepare_cb callback = prepare->prepare_cb;
        uv_prepare_stop(prepare);
        uv_prepare_start(prepare, callback);
        break;
      }
      default: break;
    }
  }, nullptr);
}

// A thread that stands in begins: what the one below has in the cells stays there for it, and it isn't in a call any more. Turns that wait are taken, if they may be.
void StandInBegins(void *data, int depth) {
  State *state = static_cast<State *>(data);
  state->thread_kept[depth - 1] = stall_watch_thread(&state->guard, static_cast<int32_t>(gettid()));
  memcpy(state->cells_kept[depth - 1], state->cells, sizeof state->cells);
  __atomic_store_n(&state->guard.stood_in, static_cast<uint32_t>(depth), __ATOMIC_RELAXED);
  state->in_turn = false;
  RunAll(state->wake.loop);
  WantTurn(state);
  for (auto &[hear, context] : state->on_stand_in) hear(context);
}
// The one below is in its turn, in which it goes on with those that wait.
void StandInEnds(void *data, int depth) {
  State *state = static_cast<State *>(data);
  if (state->turn_wanted) StopWaiting(state);
  state->in_turn = true;
  __atomic_store_n(&state->guard.stood_in, static_cast<uint32_t>(depth - 1), __ATOMIC_RELAXED);
  memcpy(state->cells, state->cells_kept[depth - 1], sizeof state->cells);
  stall_watch_thread(&state->guard, state->thread_kept[depth - 1]);
}

void CleanUp(napi_async_cleanup_hook_handle hook, void *data) {
  State *state = static_cast<State *>(data);
  stall_watch_stop(&state->guard);
  if (state->stand_in) stand_in_free(state->stand_in);
  state->stand_in = nullptr;
  uv_close(reinterpret_cast<uv_handle_t *>(&state->turn_idle), nullptr);
  uv_close(reinterpret_cast<uv_handle_t *>(&state->turn_check), nullptr);
  {
    std::lock_guard<std::mutex> lock(states_lock);
    states.erase(state->env);
  }
  if (state->pool) gts_pool_free(state->pool);
  state->pool = nullptr;
  struct Closing {
    State *state;
    napi_async_cleanup_hook_handle hook;
  };
  state->wake.data = new Closing{state, hook};
  uv_close(reinterpret_cast<uv_handle_t *>(&state->wake), [](uv_handle_t *handle) {
    Closing *closing = static_cast<Closing *>(handle->data);
    napi_remove_async_cleanup_hook(closing->hook);
    delete closing;
  });
}

}  // namespace

void InitSyscalls(Napi::Env env, Napi::Object exports) {
  // Lives as long as the process: the array buffers below may outlast the environment.
  State *state = new State();
  state->env = env;
  uv_loop_t *loop = nullptr;
  napi_get_uv_event_loop(env, &loop);
  uv_async_init(loop, &state->wake, Drain);
  state->wake.data = state;
  uv_unref(reinterpret_cast<uv_handle_t *>(&state->wake));
  uv_idle_init(loop, &state->turn_idle);
  uv_check_init(loop, &state->turn_check);
  state->turn_check.data = state;
  napi_value resource, name;
  napi_create_object(env, &resource);
  napi_create_string_latin1(env, "glusterts:turn", NAPI_AUTO_LENGTH, &name);
  napi_async_init(env, resource, name, &state->turn_context);
  napi_create_reference(env, resource, 1, &state->turn_resource);
  napi_add_async_cleanup_hook(env, CleanUp, state, nullptr);

  Napi::Object sys = Napi::Object::New(env);
  const struct {
    const char *name;
    napi_callback call;
  } calls[] = {
      {"open", Open}, {"openat", Openat}, {"close", Close}, {"stat", Stat}, {"lstat", Lstat}, {"lstatat", Lstatat}, {"fstat", Fstat}, {"lstatCached", LstatCached}, {"blocksRead", BlocksRead},
      {"statvfs", Statvfs}, {"inMemory", InMemory}, {"mkdir", Mkdir}, {"mknod", Mknod}, {"link", Link}, {"symlink", Symlink}, {"readlink", Readlink},
      {"rename", Rename}, {"unlink", Unlink}, {"rmdir", Rmdir}, {"truncate", Truncate}, {"chmod", Chmod}, {"fchmod", Fchmod},
      {"lchown", Lchown}, {"fchown", Fchown}, {"utimens", Utimens}, {"futimens", Futimens}, {"lgetxattr", Lgetxattr},
      {"fgetxattr", Fgetxattr}, {"llistxattr", Llistxattr}, {"flistxattr", Flistxattr}, {"lsetxattr", Lsetxattr},
      {"fsetxattr", Fsetxattr}, {"lremovexattr", Lremovexattr}, {"fremovexattr", Fremovexattr}, {"getdents", Getdents},
      {"dirplist", Dirplist},
      {"lseek", Lseek}, {"seekdir", Seekdir}, {"flock", Flock}, {"setrlimit", Setrlimit}, {"umask", Umask}, {"mount", Mount},
      {"umount2", Umount2}, {"preadv", Preadv}, {"pwritev", Pwritev}, {"xxh64", Xxh64}, {"submit", Submit}, {"onDone", OnDone},
      {"onTurn", OnTurn}, {"wantTurn", WantTurn},
  };
  for (const auto &entry : calls) {
    napi_value function;
    napi_create_function(env, entry.name, NAPI_AUTO_LENGTH, entry.call, state, &function);
    napi_set_named_property(env, sys, entry.name, function);
  }
  napi_value buffer;
  napi_create_external_arraybuffer(env, state->cells, sizeof state->cells, nullptr, nullptr, &buffer);
  napi_set_named_property(env, sys, "cells", buffer);
  napi_create_external_arraybuffer(env, state->scratch, kScratchSize, nullptr, nullptr, &buffer);
  napi_set_named_property(env, sys, "scratch", buffer);
  napi_create_external_arraybuffer(env, state->listing, kListingSize, nullptr, nullptr, &buffer);
  napi_set_named_property(env, sys, "listing", buffer);
  napi_create_external_arraybuffer(env, state->cold, sizeof state->cold, nullptr, nullptr, &buffer);
  napi_set_named_property(env, sys, "cold", buffer);
  static_assert(offsetof(struct stall_guard, stood_in) == offsetof(struct stall_guard, slow) + sizeof(uint32_t), "two words for JavaScript");
  napi_create_external_arraybuffer(env, &state->guard.slow, 2 * sizeof(uint32_t), nullptr, nullptr, &buffer);
  napi_set_named_property(env, sys, "slow", buffer);
  exports.Set("syscalls", sys);
  std::lock_guard<std::mutex> lock(states_lock);
  states[env] = state;
}

namespace {
uint64_t BusyMs(void *data) {
  gts_pool *pool = __atomic_load_n(&static_cast<State *>(data)->pool, __ATOMIC_ACQUIRE);
  return pool ? gts_pool_busy_ms(pool) : 0;
}
}  // namespace

struct stall_guard *WatchStalls(napi_env env, void (*rescue)(void *), void *context) {
  std::lock_guard<std::mutex> lock(states_lock);
  auto found = states.find(env);
  if (found == states.end()) return nullptr;
  State *state = found->second;
  if (!state->stand_in) {
    const struct stand_in_events events = {StandInBegins, StandInEnds, Wake, state};
    state->stand_in = stand_in_new(env, state->wake.loop, &events);
  }
  const struct stall_help help = {rescue, context, BusyMs, state, [](void *data) {
                                    auto *state = static_cast<State *>(data);
                                    if (state->stand_in) stand_in_ask(state->stand_in);
                                  }};
  return stall_watch_start(&state->guard, &help) == 0 ? &state->guard : nullptr;
}

void *TurnsOf(napi_env env) {
  std::lock_guard<std::mutex> lock(states_lock);
  auto found = states.find(env);
  return found == states.end() ? nullptr : found->second;
}
bool TakeTurn(void *turns) { return turns && TakeTurn(static_cast<State *>(turns)); }
void OnStandIn(void *turns, void (*hear)(void *), void *context) {
  if (turns) static_cast<State *>(turns)->on_stand_in.emplace_back(hear, context);
}
