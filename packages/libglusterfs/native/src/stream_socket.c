#include "stream_socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void stream_socket_tune(int fd, int family, const struct socket_options *options) {
  int on = 1;
  if (family != AF_UNIX) {
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (options->keepalive_time_s > 0) {
      setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
      setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &options->keepalive_time_s, sizeof(int));
      if (options->keepalive_interval_s > 0) setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &options->keepalive_interval_s, sizeof(int));
      if (options->keepalive_count > 0) setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &options->keepalive_count, sizeof(int));
    }
    if (options->user_timeout_ms > 0) setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &options->user_timeout_ms, sizeof(int));
  }
  if (options->window_size > 0) {
    // On a unix socket what is on its way lies in the sender's buffer alone, and the system's limit is small.
    if (family != AF_UNIX || setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &options->window_size, sizeof(int)) < 0)
      setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &options->window_size, sizeof(int));
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &options->window_size, sizeof(int));
  }
}

static void set_port(struct sockaddr_storage *address, int port) {
  if (address->ss_family == AF_INET) ((struct sockaddr_in *)address)->sin_port = htons((uint16_t)port);
  if (address->ss_family == AF_INET6) ((struct sockaddr_in6 *)address)->sin6_port = htons((uint16_t)port);
}

// Binds the first free port from `from` down to `to`; none free: the kernel chooses (spec/rpc-wire.md, §13.5).
static int bind_downwards(int fd, const void *bind_address, size_t length, int from, int to) {
  struct sockaddr_storage local;
  if (length > sizeof local) return -EINVAL;
  memcpy(&local, bind_address, length);
  for (int port = from; port >= to && port > 0; port--) {
    set_port(&local, port);
    if (bind(fd, (struct sockaddr *)&local, (socklen_t)length) == 0) return 0;
    if (errno != EADDRINUSE && errno != EACCES) return -errno;
  }
  set_port(&local, 0);
  return bind(fd, (struct sockaddr *)&local, (socklen_t)length) == 0 ? 0 : -errno;
}

int stream_socket_connect(const void *address, size_t address_length, const void *bind_address, size_t bind_length, int bind_from, int bind_to,
                          const struct socket_options *options) {
  int family = ((const struct sockaddr *)address)->sa_family;
  int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  stream_socket_tune(fd, family, options);
  int error = 0;
  if (bind_length > 0) error = bind_downwards(fd, bind_address, bind_length, bind_from, bind_to);
  if (error == 0 && connect(fd, address, (socklen_t)address_length) < 0 && errno != EINPROGRESS) error = -errno;
  if (error == 0) return fd;
  close(fd);
  return error;
}

int stream_socket_listen(const void *address, size_t address_length, int backlog) {
  int fd = socket(((const struct sockaddr *)address)->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, address, (socklen_t)address_length) == 0 && listen(fd, backlog) == 0) return fd;
  int error = -errno;
  close(fd);
  return error;
}

union descriptor_control {
  char bytes[CMSG_SPACE(sizeof(int))];
  struct cmsghdr align;
};

ssize_t stream_send(int fd, const struct iovec *vector, int count, int descriptor) {
  struct msghdr message = {.msg_iov = (struct iovec *)vector, .msg_iovlen = (size_t)count};
  union descriptor_control control;
  if (descriptor >= 0) {
    memset(&control, 0, sizeof control);
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof control.bytes;
    struct cmsghdr *item = CMSG_FIRSTHDR(&message);
    item->cmsg_level = SOL_SOCKET;
    item->cmsg_type = SCM_RIGHTS;
    item->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(item), &descriptor, sizeof descriptor);
  }
  for (;;) {
    ssize_t written = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (written >= 0) return written;
    if (errno == EINTR) continue;
    return errno == EAGAIN ? 0 : -errno;
  }
}

int stream_skip_sent(struct iovec *vector, int at, int count, size_t written) {
  while (at < count && written >= vector[at].iov_len) written -= vector[at++].iov_len;
  if (at < count) vector[at] = (struct iovec){.iov_base = (uint8_t *)vector[at].iov_base + written, .iov_len = vector[at].iov_len - written};
  return at;
}

// Keeps the descriptors of a message. -1 when there are too many, or some were lost.
static int keep_descriptors(struct descriptors *keep, struct msghdr *message) {
  int error = message->msg_flags & MSG_CTRUNC ? -1 : 0;
  for (struct cmsghdr *item = CMSG_FIRSTHDR(message); item; item = CMSG_NXTHDR(message, item)) {
    if (item->cmsg_level != SOL_SOCKET || item->cmsg_type != SCM_RIGHTS) continue;
    size_t count = (item->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; i++) {
      int descriptor;
      memcpy(&descriptor, CMSG_DATA(item) + i * sizeof descriptor, sizeof descriptor);
      if (!keep->items) keep->items = malloc(DESCRIPTORS_MAX * sizeof *keep->items);
      if (keep->items && keep->count < DESCRIPTORS_MAX) keep->items[keep->count++] = descriptor;
      else {
        close(descriptor);
        error = -1;
      }
    }
  }
  return error;
}

ssize_t stream_receive(int fd, struct iovec *vector, int count, struct descriptors *keep) {
  if (!keep) return readv(fd, vector, count);
  union descriptor_control control;
  struct msghdr message = {.msg_iov = vector, .msg_iovlen = (size_t)count, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
  ssize_t got = recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (got < 0 || message.msg_controllen == 0 || keep_descriptors(keep, &message) == 0) return got;
  errno = EMFILE;
  return -1;
}

int descriptors_take(struct descriptors *descriptors) {
  if (descriptors->count == 0) return -1;
  int descriptor = descriptors->items[0];
  memmove(descriptors->items, descriptors->items + 1, (size_t)--descriptors->count * sizeof *descriptors->items);
  return descriptor;
}

void descriptors_close(struct descriptors *descriptors) {
  for (int i = 0; i < descriptors->count; i++) close(descriptors->items[i]);
  free(descriptors->items);
  *descriptors = (struct descriptors){0};
}
