// Stream sockets, internet and unix: made, tuned, written to and read, with the descriptors that may go along on unix sockets.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "event_pool.h"

// Those of a connection that have come and that nobody has taken yet, oldest first; with more than DESCRIPTORS_MAX it is closed.
#define DESCRIPTORS_MAX 64
struct descriptors {
  int *items;
  int count;
};

void stream_socket_tune(int fd, int family, const struct socket_options *options);
// A socket that connects, or listens; or -errno. As event_pool_connect and event_pool_listen.
int stream_socket_connect(const void *address, size_t address_length, const void *bind_address, size_t bind_length, int bind_from, int bind_to,
                          const struct socket_options *options);
int stream_socket_listen(const void *address, size_t address_length, int backlog);

// Bytes that the socket took, 0 when it is full, or -errno. `descriptor` goes along with the first of them, unless it is -1.
ssize_t stream_send(int fd, const struct iovec *vector, int count, int descriptor);
// The first buffer that `written` bytes don't cover; what they cover of it is taken off.
int stream_skip_sent(struct iovec *vector, int at, int count, size_t written);
// As readv(2); what comes along with the bytes is kept, unless `keep` is NULL. EMFILE: too many came, or some were lost.
ssize_t stream_receive(int fd, struct iovec *vector, int count, struct descriptors *keep);

// The oldest, or -1.
int descriptors_take(struct descriptors *descriptors);
void descriptors_close(struct descriptors *descriptors);
