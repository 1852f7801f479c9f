// Threads that move large payloads between sockets and memory, so that the loop's thread need not copy them. They know bytes, not records: each
// job is one direction of one socket and the memory to fill or to send. No thread waits in a socket: all of them wait in one epoll set for all jobs.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

// Below this, to hand a payload over costs more than to copy it.
#define BULK_MIN 65536u
#define BULK_THREADS_MAX 1023

enum bulk_direction { BULK_RECEIVE = 0, BULK_SEND = 1 };

enum bulk_state {
  BULK_IDLE = 0,
  BULK_WAITING,  // for the socket
  BULK_WORKING,  // a thread has it
  BULK_DONE,     // to be taken
};

struct bulk_job {
  enum bulk_state state;
  // What is left of the memory; entries are cut as bytes are moved.
  struct iovec *vector;
  int count, at;
  uint64_t moved;
  int error;  // errno; 0: all was moved, or `ended`
  int ended;  // the peer's stream is over
  struct bulk_socket *socket;
  struct bulk_job *next;
};

struct bulk_socket {
  int fd;
  int id;  // the caller's
  int known;  // to the epoll set
  struct iovec room;  // a RECEIVE's vector
  struct bulk_job jobs[2];
  struct bulk_socket *next_free, *next_of_all;
};

typedef struct bulk_threads bulk_threads;

// Without a thread; NULL when there is no memory or no descriptor for it.
bulk_threads *bulk_threads_new(void);
// Ends the threads and waits for them: no longer than some copies take. Sockets and jobs are gone with it.
void bulk_threads_free(bulk_threads *threads);
// Starts or retires threads. Jobs go on: with 0, the last thread stays until those that are out have ended. How many there will be: fewer than asked for when
// the system gives no more. From the loop's thread, as are all that follow.
int bulk_threads_set(bulk_threads *threads, int count);
// How many were set.
int bulk_threads_count(const bulk_threads *threads);
// Becomes readable (edge) when there are jobs to take.
int bulk_threads_fd(const bulk_threads *threads);

// A socket's place, for as long as it is open. NULL: no memory.
struct bulk_socket *bulk_socket_new(bulk_threads *threads, int fd, int id);
// Neither direction may be out.
void bulk_socket_free(bulk_threads *threads, struct bulk_socket *socket);
// The memory, and for a SEND the vector, belong to the job until it is taken. A direction has one job at a time. 0 or -errno.
int bulk_receive(bulk_threads *threads, struct bulk_socket *socket, void *memory, size_t length);
int bulk_send(bulk_threads *threads, struct bulk_socket *socket, struct iovec *vector, int count);
// The jobs that have ended, in that order, linked by `next`.
struct bulk_job *bulk_take(bulk_threads *threads);

// Between these two no job begins, goes on or ends, but those that are WORKING. From any thread.
void bulk_threads_hold(bulk_threads *threads);
void bulk_threads_let_go(bulk_threads *threads);

#ifdef __cplusplus
}
#endif
