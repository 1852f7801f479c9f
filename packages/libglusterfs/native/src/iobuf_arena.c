#include "iobuf_arena.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

void *iobuf_arena_map(size_t size) {
  void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return memory == MAP_FAILED ? NULL : memory;
}

void iobuf_arena_unmap(void *memory, size_t size) { munmap(memory, size); }

void *iobuf_arena_share(size_t size, int *descriptor) {
  int fd = memfd_create("glusterts-iobufs", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return NULL;
  void *memory = MAP_FAILED;
  // A file that can't shrink can't make its readers fault.
  if (ftruncate(fd, (off_t)size) == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
    memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) {
    close(fd);
    return NULL;
  }
  *descriptor = fd;
  return memory;
}

void *iobuf_arena_borrow(int descriptor, size_t size, int *error) {
  struct stat status;
  int seals = fcntl(descriptor, F_GET_SEALS);
  void *memory = MAP_FAILED;
  if (seals < 0 || !(seals & F_SEAL_SHRINK) || fstat(descriptor, &status) < 0 || status.st_size < (off_t)size) {
    *error = EINVAL;
  } else {
    // Private: a stray write here would not reach its owner.
    memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, descriptor, 0);
    if (memory == MAP_FAILED) *error = errno;
  }
  close(descriptor);
  return memory == MAP_FAILED ? NULL : memory;
}
