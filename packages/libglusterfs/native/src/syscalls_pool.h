/* A few threads for system calls that may wait for a disk. One wake-up tells of any number of finished jobs. */
#pragma once
#include "syscalls.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { GTS_POOL_STACK_SIZE = 256 * 1024 };

/*
 * In memory of the owner that begins as zeroes and lives until its jobs are done. Of one lane, one job runs at a time, in the order in which they were
 * submitted, and on the same thread if they follow closely: changes of one file would only wait for its lock.
 */
struct gts_lane {
  int32_t error;         /* errno of a store that failed; the owner, who reads it here, takes it back to 0 */
  struct gts_job *last;  /* the job that was submitted last and isn't done */
};

/* An xattr that a job stores on its fd once it has succeeded. */
struct gts_store {
  const char *name;  /* NULL: none */
  const void *value;
  size_t size;
};

enum gts_job_op { GTS_PREADV, GTS_PWRITEV, GTS_FSYNC, GTS_FDATASYNC, GTS_SYNCFS, GTS_FALLOCATE, GTS_FTRUNCATE, GTS_COPY_FILE_RANGE, GTS_CLOSE, GTS_PROBE, GTS_SETTLE, GTS_LOAD_NAMES, GTS_LOAD_DENTS };

struct gts_job {
  struct gts_job *next;
  enum gts_job_op op;
  uint32_t id;
  int fd;
  int fd2;
  int mode;
  int iov_count;
  int64_t offset;
  int64_t offset2;
  int64_t length;
  long result;
  uint64_t begun_ms;
  struct gts_lane *lane;   /* NULL: none */
  struct gts_job *behind;  /* the next one of the lane */
  struct gts_store store;
  struct iovec iov[];
};

struct gts_pool;
/* `wake` is called from any thread, at least once after jobs have finished; the owner then calls gts_pool_take. */
/* Begins with one thread; more are started, up to `threads_max`, when jobs find none idle. They stay. */
struct gts_pool *gts_pool_new(int threads_max, void (*wake)(void *), void *data);
void gts_pool_submit(struct gts_pool *pool, struct gts_job *job);
/* For how many milliseconds the oldest of the writes that run now has been running; from any thread. */
uint64_t gts_pool_busy_ms(struct gts_pool *pool);
/* All finished jobs in the order in which they finished, or NULL. The caller frees them. */
struct gts_job *gts_pool_take(struct gts_pool *pool);
/* Waits for the jobs that run, drops the others, ends the threads. */
void gts_pool_free(struct gts_pool *pool);

#ifdef __cplusplus
}
#endif
