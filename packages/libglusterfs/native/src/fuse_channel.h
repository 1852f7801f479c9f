// /dev/fuse: reads requests so that the data of a WRITE lie alone and page-aligned in a page, writes replies, and gets the
// device from fusermount3 when mount(2) is not ours to call. Knows the two headers of FUSE's protocol and nothing else.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

// One request of a batch. `offset` and `length`: its header and arguments in the batch's bytes. `page`: where the data
// of a WRITE lie, -1 if it has none; `payload` counts them.
struct fuse_channel_request {
  int32_t offset, length, page, payload;
};

struct fuse_channel_batch {
  const struct fuse_channel_request *requests;
  const uint8_t *bytes;
  size_t count, length;
  // 0: the device is empty for now, or the batch is full; else the errno that ended the reading (ENODEV: unmounted).
  int error;
};

// Gives a page of at least `size` bytes, and its index; NULL: no memory.
typedef uint8_t *(*fuse_channel_page_fn)(void *context, size_t size, int32_t *index);

struct fuse_channel;

// `payload_max`: the largest WRITE. Takes the fd over and makes it non-blocking. NULL with errno set on failure.
struct fuse_channel *fuse_channel_new(int fd, size_t payload_max, fuse_channel_page_fn page, void *context);
void fuse_channel_free(struct fuse_channel *channel);
int fuse_channel_fd(const struct fuse_channel *channel);
// Reads until the device is empty or the batch is full; just one request while no other awaits its reply (epoll tells of the
// next one, and a second read would nearly always find nothing). The batch is valid until the next call.
void fuse_channel_drain(struct fuse_channel *channel, struct fuse_channel_batch *batch);
// The page that no request has used, which the caller takes back after each drain; -1: none.
int32_t fuse_channel_spare_page(struct fuse_channel *channel);
// One message. 0 or -errno.
int fuse_channel_write(struct fuse_channel *channel, const struct iovec *vector, int count);

// Another fd of the same device, for a message sent from a thread. Or -errno.
int fuse_channel_dup(const struct fuse_channel *channel);

// Runs `argv` (fusermount3 …) with a socket in _FUSE_COMMFD, and returns the fd that it sends, or -errno. With `stay` it
// goes on running after that (auto_unmount); else it is waited for.
int fuse_channel_fusermount(char *const argv[], int stay);

#ifdef __cplusplus
}
#endif
