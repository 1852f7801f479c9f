#include "bulk_threads.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define STACK_SIZE (64u << 10)
// Bytes of one system call, and of one job before the others have their turn.
#define CALL_MAX (1u << 20)
#define TURN_MAX (4u << 20)

enum thread_state { NONE = 0, RUNNING, EXITED };

struct bulk_threads {
  pthread_mutex_t lock;
  int epfd;
  int control_fd;  // in the epoll set: wakes a thread that shall retire
  int done_fd;
  int target;
  int running;
  int exited;  // not joined yet
  int out;     // jobs that are WAITING or WORKING
  int stopping;
  struct bulk_job *done;
  struct bulk_job **done_tail;
  // Kept until the end: a thread may hold an event of a socket that has been freed since; it does no harm to whoever has its place now.
  struct bulk_socket *free_sockets, *all_sockets;
  struct slot {
    struct bulk_threads *threads;
    enum thread_state state;
    pthread_t thread;
  } slots[BULK_THREADS_MAX];
};

static void signal_fd(int fd) {
  uint64_t one = 1;
  // Only a counter that is full refuses, and then it is readable.
  if (write(fd, &one, sizeof one) < 0) return;
}

// Has the epoll set wait for the directions that are WAITING. With the lock held.
static int arm(bulk_threads *threads, struct bulk_socket *socket) {
  uint32_t events = (socket->jobs[BULK_RECEIVE].state == BULK_WAITING ? EPOLLIN : 0) | (socket->jobs[BULK_SEND].state == BULK_WAITING ? EPOLLOUT : 0);
  if (events == 0) return 0;
  struct epoll_event event = {.events = events | EPOLLONESHOT, .data.ptr = socket};
  if (epoll_ctl(threads->epfd, socket->known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, socket->fd, &event) < 0) return -errno;
  socket->known = 1;
  return 0;
}

// With the lock held.
static void finish(bulk_threads *threads, struct bulk_job *job) {
  job->state = BULK_DONE;
  job->next = NULL;
  threads->out--;
  int first = threads->done == NULL;
  *threads->done_tail = job;
  threads->done_tail = &job->next;
  if (first) signal_fd(threads->done_fd);
}

// Waits for what the socket's jobs that are WAITING want. With the lock held.
static void wait_for(bulk_threads *threads, struct bulk_socket *socket) {
  int error = arm(threads, socket);
  for (int direction = 0; error && direction < 2; direction++) {
    struct bulk_job *job = &socket->jobs[direction];
    if (job->state != BULK_WAITING) continue;
    job->error = -error;
    finish(threads, job);
  }
}

// What one call may move: so many of the buffers, the last of them cut to `*cut` bytes.
static int call_size(const struct bulk_job *job, size_t *cut) {
  size_t left = CALL_MAX;
  int count = 0;
  for (int i = job->at; i < job->count && left > 0; i++, count++) {
    *cut = job->vector[i].iov_len < left ? job->vector[i].iov_len : left;
    left -= *cut;
  }
  return count;
}

static ssize_t move(const struct bulk_job *job, int fd, int is_send) {
  size_t cut = 0;
  int count = call_size(job, &cut);
  struct iovec *last = &job->vector[job->at + count - 1];
  size_t whole = last->iov_len;
  last->iov_len = cut;
  struct msghdr message = {.msg_iov = job->vector + job->at, .msg_iovlen = (size_t)count};
  ssize_t moved = is_send ? sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) : recvmsg(fd, &message, MSG_DONTWAIT);
  if (moved < 0) moved = -errno;
  last->iov_len = whole;
  return moved;
}

static void advance(struct bulk_job *job, size_t moved) {
  job->moved += moved;
  while (job->at < job->count && moved >= job->vector[job->at].iov_len) moved -= job->vector[job->at++].iov_len;
  if (moved == 0) return;
  struct iovec *part = &job->vector[job->at];
  *part = (struct iovec){.iov_base = (uint8_t *)part->iov_base + moved, .iov_len = part->iov_len - moved};
}

// Works on a job that is WORKING. Whether it has ended.
static int work(struct bulk_job *job, int fd, int is_send) {
  size_t turn = 0;
  while (job->at < job->count && turn < TURN_MAX) {
    ssize_t moved = move(job, fd, is_send);
    if (moved == -EINTR) continue;
    if (moved == -EAGAIN) return 0;
    if (moved < 0) job->error = (int)-moved;
    if (moved == 0) job->ended = 1;
    if (moved <= 0) return 1;
    advance(job, (size_t)moved);
    turn += (size_t)moved;
  }
  return job->at == job->count;
}

static void serve(bulk_threads *threads, struct bulk_socket *socket, uint32_t events) {
  static const uint32_t ready[2] = {EPOLLIN | EPOLLHUP | EPOLLERR, EPOLLOUT | EPOLLHUP | EPOLLERR};
  int mine[2];
  pthread_mutex_lock(&threads->lock);
  for (int direction = 0; direction < 2; direction++) {
    struct bulk_job *job = &socket->jobs[direction];
    mine[direction] = job->state == BULK_WAITING && events & ready[direction];
    if (mine[direction]) job->state = BULK_WORKING;
  }
  // The event was for both; another thread may wait for the other one meanwhile.
  wait_for(threads, socket);
  int fd = socket->fd;
  pthread_mutex_unlock(&threads->lock);
  for (int direction = 0; direction < 2; direction++) {
    if (!mine[direction]) continue;
    struct bulk_job *job = &socket->jobs[direction];
    int ended = work(job, fd, direction == BULK_SEND);
    pthread_mutex_lock(&threads->lock);
    if (ended) {
      finish(threads, job);
    } else {
      job->state = BULK_WAITING;
      wait_for(threads, socket);
    }
    pthread_mutex_unlock(&threads->lock);
  }
}

// Whether this thread is one too many. With the lock held.
static int retires(const bulk_threads *threads) {
  if (threads->stopping) return threads->running > 0;
  int needed = threads->target > 0 || threads->out == 0 ? threads->target : 1;
  return threads->running > needed;
}

static void *run(void *argument) {
  struct slot *slot = argument;
  bulk_threads *threads = slot->threads;
  char name[16];
  // GlusterFS's names; 000 is the loop's own thread.
  snprintf(name, sizeof name, "glfs_epoll%03x", (unsigned)(slot - threads->slots + 1) % 0x1000);
  pthread_setname_np(pthread_self(), name);
  for (;;) {
    pthread_mutex_lock(&threads->lock);
    if (retires(threads)) break;
    pthread_mutex_unlock(&threads->lock);
    struct epoll_event event;
    // One at a time: the others are for other threads.
    if (epoll_wait(threads->epfd, &event, 1, -1) == 1 && event.data.ptr) serve(threads, event.data.ptr, event.events);
  }
  threads->running--;
  threads->exited++;
  slot->state = EXITED;
  if (retires(threads)) signal_fd(threads->control_fd);
  signal_fd(threads->done_fd);
  pthread_mutex_unlock(&threads->lock);
  return NULL;
}

static void join_exited(bulk_threads *threads) {
  for (int i = 0; i < BULK_THREADS_MAX; i++) {
    struct slot *slot = &threads->slots[i];
    if (slot->state != EXITED) continue;
    pthread_join(slot->thread, NULL);
    slot->state = NONE;
    threads->exited--;
  }
}

bulk_threads *bulk_threads_new(void) {
  bulk_threads *threads = calloc(1, sizeof *threads);
  if (!threads) return NULL;
  threads->epfd = epoll_create1(EPOLL_CLOEXEC);
  threads->control_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  threads->done_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = NULL};
  if (threads->epfd < 0 || threads->control_fd < 0 || threads->done_fd < 0 || epoll_ctl(threads->epfd, EPOLL_CTL_ADD, threads->control_fd, &event) < 0) {
    if (threads->epfd >= 0) close(threads->epfd);
    if (threads->control_fd >= 0) close(threads->control_fd);
    if (threads->done_fd >= 0) close(threads->done_fd);
    free(threads);
    return NULL;
  }
  pthread_mutex_init(&threads->lock, NULL);
  threads->done_tail = &threads->done;
  return threads;
}

// Any thread, with the lock held. 0 or -errno.
static int start(bulk_threads *threads, struct slot *slot) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, STACK_SIZE);
  slot->threads = threads;
  // Signals are the main thread's business.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int error = pthread_create(&slot->thread, &attributes, run, slot);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
  if (error) return -error;
  slot->state = RUNNING;
  threads->running++;
  return 0;
}

int bulk_threads_set(bulk_threads *threads, int count) {
  pthread_mutex_lock(&threads->lock);
  join_exited(threads);
  threads->target = count < BULK_THREADS_MAX ? count : BULK_THREADS_MAX;
  for (int i = 0; i < BULK_THREADS_MAX && threads->running < threads->target; i++)
    if (threads->slots[i].state == NONE && start(threads, &threads->slots[i]) != 0) break;
  if (threads->running < threads->target) threads->target = threads->running;
  if (retires(threads)) signal_fd(threads->control_fd);
  int target = threads->target;
  pthread_mutex_unlock(&threads->lock);
  return target;
}

int bulk_threads_count(const bulk_threads *threads) { return threads->target; }

int bulk_threads_fd(const bulk_threads *threads) { return threads->done_fd; }

void bulk_threads_free(bulk_threads *threads) {
  pthread_mutex_lock(&threads->lock);
  threads->stopping = 1;
  signal_fd(threads->control_fd);
  for (int i = 0; i < BULK_THREADS_MAX; i++) {
    struct slot *slot = &threads->slots[i];
    if (slot->state == NONE) continue;
    pthread_mutex_unlock(&threads->lock);
    pthread_join(slot->thread, NULL);
    pthread_mutex_lock(&threads->lock);
  }
  pthread_mutex_unlock(&threads->lock);
  close(threads->epfd);
  close(threads->control_fd);
  close(threads->done_fd);
  while (threads->all_sockets) {
    struct bulk_socket *socket = threads->all_sockets;
    threads->all_sockets = socket->next_of_all;
    free(socket);
  }
  pthread_mutex_destroy(&threads->lock);
  free(threads);
}

struct bulk_socket *bulk_socket_new(bulk_threads *threads, int fd, int id) {
  pthread_mutex_lock(&threads->lock);
  struct bulk_socket *socket = threads->free_sockets;
  if (socket) {
    threads->free_sockets = socket->next_free;
  } else {
    socket = calloc(1, sizeof *socket);
    if (socket) {
      socket->next_of_all = threads->all_sockets;
      threads->all_sockets = socket;
    }
  }
  if (socket) {
    socket->fd = fd;
    socket->id = id;
    socket->known = 0;
    for (int direction = 0; direction < 2; direction++) socket->jobs[direction] = (struct bulk_job){.socket = socket};
  }
  pthread_mutex_unlock(&threads->lock);
  return socket;
}

void bulk_socket_free(bulk_threads *threads, struct bulk_socket *socket) {
  pthread_mutex_lock(&threads->lock);
  if (socket->known) epoll_ctl(threads->epfd, EPOLL_CTL_DEL, socket->fd, NULL);
  socket->next_free = threads->free_sockets;
  threads->free_sockets = socket;
  pthread_mutex_unlock(&threads->lock);
}

static int submit(bulk_threads *threads, struct bulk_socket *socket, enum bulk_direction direction, struct iovec *vector, int count) {
  pthread_mutex_lock(&threads->lock);
  struct bulk_job *job = &socket->jobs[direction];
  *job = (struct bulk_job){.state = BULK_WAITING, .vector = vector, .count = count, .socket = socket};
  // It wakes a thread at once when the socket is ready.
  int error = arm(threads, socket);
  if (error) job->state = BULK_IDLE;
  else threads->out++;
  pthread_mutex_unlock(&threads->lock);
  return error;
}

int bulk_receive(bulk_threads *threads, struct bulk_socket *socket, void *memory, size_t length) {
  socket->room = (struct iovec){.iov_base = memory, .iov_len = length};
  return submit(threads, socket, BULK_RECEIVE, &socket->room, 1);
}

int bulk_send(bulk_threads *threads, struct bulk_socket *socket, struct iovec *vector, int count) {
  return submit(threads, socket, BULK_SEND, vector, count);
}

struct bulk_job *bulk_take(bulk_threads *threads) {
  pthread_mutex_lock(&threads->lock);
  struct bulk_job *jobs = threads->done;
  threads->done = NULL;
  threads->done_tail = &threads->done;
  for (struct bulk_job *job = jobs; job; job = job->next) job->state = BULK_IDLE;
  if (threads->exited) join_exited(threads);
  pthread_mutex_unlock(&threads->lock);
  return jobs;
}

void bulk_threads_hold(bulk_threads *threads) { pthread_mutex_lock(&threads->lock); }

void bulk_threads_let_go(bulk_threads *threads) { pthread_mutex_unlock(&threads->lock); }
