#include "fuse_channel.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

// The first part takes the header and the arguments of a WRITE, so that its data begin with the page.
#define HEAD_SIZE (sizeof(struct fuse_in_header) + sizeof(struct fuse_write_in))
#define BATCH_REQUESTS 64
#define BATCH_PAYLOAD (8u << 20)
// WRITEs up to this size are copied to a page of their own size: a page of 1 MiB for 4 KiB would empty the cache, and the
// pool, for nothing.
#define COPY_MAX (16u << 10)
#define FUSERMOUNT_TIMEOUT_MS 30000
#define PAGE_SIZE 4096u

struct fuse_channel {
  int fd;
  size_t payload_max;
  fuse_channel_page_fn page;
  void *context;
  // Where the data of a WRITE are read to: a page that can be handed on while WRITEs come, else memory of our own, which
  // costs nothing to have ready.
  uint8_t *spare;
  int32_t spare_index;
  uint8_t *own;
  int writes_come;
  // Requests read and not yet answered.
  size_t unanswered;
  struct fuse_channel_request requests[BATCH_REQUESTS];
  uint8_t *bytes;
  size_t capacity;
};

struct fuse_channel *fuse_channel_new(int fd, size_t payload_max, fuse_channel_page_fn page, void *context) {
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) return NULL;
  struct fuse_channel *channel = calloc(1, sizeof *channel);
  if (!channel) return NULL;
  channel->fd = fd;
  channel->payload_max = payload_max;
  channel->page = page;
  channel->context = context;
  channel->spare_index = -1;
  channel->own = aligned_alloc(PAGE_SIZE, (payload_max + PAGE_SIZE - 1) / PAGE_SIZE * PAGE_SIZE);
  if (!channel->own) {
    free(channel);
    return NULL;
  }
  return channel;
}

void fuse_channel_free(struct fuse_channel *channel) {
  if (!channel) return;
  close(channel->fd);
  free(channel->bytes);
  free(channel->own);
  free(channel);
}

int fuse_channel_fd(const struct fuse_channel *channel) { return channel->fd; }

int32_t fuse_channel_spare_page(struct fuse_channel *channel) {
  int32_t index = channel->spare_index;
  channel->spare = NULL;
  channel->spare_index = -1;
  return index;
}

static int reserve(struct fuse_channel *channel, size_t length) {
  if (length <= channel->capacity) return 0;
  size_t capacity = channel->capacity ? channel->capacity : 16384;
  while (capacity < length) capacity *= 2;
  uint8_t *bytes = realloc(channel->bytes, capacity);
  if (!bytes) return -1;
  channel->bytes = bytes;
  channel->capacity = capacity;
  return 0;
}

// Puts away one message that lies in `head` and `data`. 0, or an errno.
static int put_request(struct fuse_channel *channel, struct fuse_channel_batch *batch, const uint8_t *head, const uint8_t *data, size_t size) {
  const struct fuse_in_header *in = (const struct fuse_in_header *)head;
  size_t in_head = size < HEAD_SIZE ? size : HEAD_SIZE, spill = size - in_head;
  int is_write = in->opcode == FUSE_WRITE && spill > 0;
  size_t keep = is_write ? in_head : size;
  if (reserve(channel, batch->length + keep) < 0) return ENOMEM;
  struct fuse_channel_request *request = &channel->requests[batch->count];
  request->offset = (int32_t)batch->length;
  request->length = (int32_t)keep;
  request->page = -1;
  request->payload = 0;
  memcpy(channel->bytes + batch->length, head, in_head);
  if (is_write) {
    request->payload = (int32_t)spill;
    if (spill > COPY_MAX) channel->writes_come = 1;
    if (spill <= COPY_MAX || !channel->spare) {
      uint8_t *page = channel->page(channel->context, spill, &request->page);
      if (!page) return ENOMEM;
      memcpy(page, data, spill);
    } else {
      request->page = fuse_channel_spare_page(channel);
    }
  } else if (spill > 0) {
    memcpy(channel->bytes + batch->length + in_head, data, spill);
  }
  if (in->opcode != FUSE_FORGET && in->opcode != FUSE_BATCH_FORGET && in->opcode != FUSE_INTERRUPT) channel->unanswered++;
  // Requests are read in JavaScript through typed arrays: the next one begins at a multiple of 8.
  batch->length += (keep + 7) & ~(size_t)7;
  batch->count++;
  return 0;
}

void fuse_channel_drain(struct fuse_channel *channel, struct fuse_channel_batch *batch) {
  _Alignas(8) uint8_t head[HEAD_SIZE];
  size_t payload = 0;
  memset(batch, 0, sizeof *batch);
  size_t limit = channel->unanswered > 0 ? BATCH_REQUESTS : 1;
  int pages = channel->writes_come;
  channel->writes_come = 0;
  while (batch->count < limit && payload < BATCH_PAYLOAD) {
    if (pages && !channel->spare) {
      channel->spare = channel->page(channel->context, channel->payload_max, &channel->spare_index);
      if (!channel->spare) {
        batch->error = ENOMEM;
        break;
      }
    }
    uint8_t *data = pages ? channel->spare : channel->own;
    struct iovec vector[2] = {{head, HEAD_SIZE}, {data, channel->payload_max}};
    ssize_t size = readv(channel->fd, vector, 2);
    if (size < 0) {
      // ENOENT: the request was taken back while it was being read.
      if (errno == EINTR || errno == ENOENT) continue;
      if (errno != EAGAIN) batch->error = errno;
      break;
    }
    if ((size_t)size < sizeof(struct fuse_in_header)) {
      batch->error = EIO;
      break;
    }
    if ((size_t)size > HEAD_SIZE) payload += (size_t)size - HEAD_SIZE;
    batch->error = put_request(channel, batch, head, data, (size_t)size);
    if (batch->error) break;
  }
  batch->requests = channel->requests;
  batch->bytes = channel->bytes;
}

int fuse_channel_write(struct fuse_channel *channel, const struct iovec *vector, int count) {
  // A notification has no request: its unique is 0.
  const struct fuse_out_header *out = vector[0].iov_base;
  if (count > 0 && vector[0].iov_len >= sizeof *out && out->unique != 0 && channel->unanswered > 0) channel->unanswered--;
  for (;;) {
    if (writev(channel->fd, vector, count) >= 0) return 0;
    if (errno != EINTR) return -errno;
  }
}

int fuse_channel_dup(const struct fuse_channel *channel) {
  int fd = fcntl(channel->fd, F_DUPFD_CLOEXEC, 0);
  return fd < 0 ? -errno : fd;
}

static int receive_fd(int socket) {
  struct pollfd wait = {.fd = socket, .events = POLLIN};
  int ready;
  while ((ready = poll(&wait, 1, FUSERMOUNT_TIMEOUT_MS)) < 0 && errno == EINTR) {
  }
  if (ready <= 0) return ready == 0 ? -ETIMEDOUT : -errno;
  char byte;
  struct iovec vector = {&byte, 1};
  _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  ssize_t size = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  if (size < 0) return -errno;
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (size == 0 || !header || header->cmsg_type != SCM_RIGHTS) return -EPERM;
  int fd;
  memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return fd;
}

int fuse_channel_fusermount(char *const argv[], int stay) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) return -errno;
  size_t count = 0;
  while (environ[count]) count++;
  char **environment = calloc(count + 2, sizeof *environment);
  char variable[32];
  if (!environment) {
    close(pair[0]);
    close(pair[1]);
    return -ENOMEM;
  }
  size_t used = 0;
  for (size_t i = 0; i < count; i++)
    if (strncmp(environ[i], "_FUSE_COMMFD=", 13) != 0) environment[used++] = environ[i];
  // The child gets the socket under a number of its own: dup2 there drops close-on-exec.
  int child_fd = pair[0] > 3 ? pair[0] : 3;
  snprintf(variable, sizeof variable, "_FUSE_COMMFD=%d", child_fd + 1);
  environment[used++] = variable;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, pair[0], child_fd + 1);
  pid_t pid;
  int error = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environment);
  posix_spawn_file_actions_destroy(&actions);
  free(environment);
  close(pair[0]);
  int fd = error ? -error : receive_fd(pair[1]);
  // Whoever stays watches the socket: it unmounts when our end closes, which is when this process ends.
  if (stay && fd >= 0) return fd;
  close(pair[1]);
  if (!error)
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
  return fd;
}
