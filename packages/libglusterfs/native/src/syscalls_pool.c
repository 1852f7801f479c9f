#include "syscalls_pool.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "metadata_load.h"

/* Between two looks at what a disk has been asked for. */
enum { LOOK_NS = 100000 };

struct list {
  struct gts_job *head;
  struct gts_job **tail;
};

struct gts_pool {
  pthread_mutex_t lock;
  pthread_cond_t work;
  struct list todo;
  struct list done;
  void (*wake)(void *);
  void *data;
  int stopping;
  int thread_count;
  int threads_max;
  int idle;  /* threads that wait for work */
  int queued;
  struct gts_job *writing;  /* the writes that run now, newest first */
  pthread_t threads[];
};

static void list_init(struct list *list) {
  list->head = NULL;
  list->tail = &list->head;
}

static void list_push(struct list *list, struct gts_job *job) {
  job->next = NULL;
  *list->tail = job;
  list->tail = &job->next;
}

static struct gts_job *list_pop(struct list *list) {
  struct gts_job *job = list->head;
  list->head = job->next;
  if (!list->head) list->tail = &list->head;
  return job;
}

static uint64_t now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/*
 * Looks until the ends of the files in iov[0] are in memory, for `length` microseconds at most, and closes them. Who looks, in
 * place of waiting, isn't woken for each file, and is back in time whatever the disk does.
 */
static void settle(const struct gts_job *job) {
  const int *files = job->iov[0].iov_base;
  size_t count = job->iov[0].iov_len / sizeof *files;
  uint64_t until = now_us() + (uint64_t)job->length;
  for (size_t i = 0; i < count; i++) {
    struct stat st;
    if (fstat(files[i], &st) == 0 && st.st_size > 0) {
      char byte;
      struct iovec last = {&byte, 1};
      while (gts_preadv(files[i], &last, 1, st.st_size - 1, 1) == -EAGAIN && now_us() < until) {
        struct timespec pause = {0, LOOK_NS};
        nanosleep(&pause, NULL);
      }
    }
    close(files[i]);
  }
}

static long run(struct gts_job *job) {
  int result;
  switch (job->op) {
    case GTS_PREADV:
      return gts_preadv(job->fd, job->iov, job->iov_count, job->offset, 0);
    case GTS_PWRITEV:
      return gts_pwritev(job->fd, job->iov, job->iov_count, job->offset);
    case GTS_COPY_FILE_RANGE:
      return gts_copy_file_range(job->fd, job->offset, job->fd2, job->offset2, (size_t)job->length);
    case GTS_FSYNC:
      result = fsync(job->fd);
      break;
    case GTS_FDATASYNC:
      result = fdatasync(job->fd);
      break;
    case GTS_SYNCFS:
      result = syncfs(job->fd);
      break;
    case GTS_FALLOCATE:
      do result = fallocate(job->fd, job->mode, job->offset, job->length);
      while (result < 0 && errno == EINTR);
      break;
    case GTS_FTRUNCATE:
      result = ftruncate(job->fd, job->length);
      break;
    case GTS_CLOSE:
      result = close(job->fd);
      break;
    case GTS_SETTLE:
      settle(job);
      return 0;
    case GTS_PROBE:
      return gts_utimens(job->fd, NULL, 0, UTIME_OMIT, 0, UTIME_NOW);
    case GTS_LOAD_NAMES:
      return job->iov_count == 2 ? gts_load_names(job->fd, job->iov[0].iov_base, job->iov[0].iov_len, job->iov[1].iov_base) : -EINVAL;
    case GTS_LOAD_DENTS:
      return gts_load_dents(job->fd);
    default:
      return -EINVAL;
  }
  return result < 0 ? -errno : 0;
}

static void store(const struct gts_job *job) {
  const struct gts_store *store = &job->store;
  if (fsetxattr(job->fd, store->name, store->value, store->size, 0) < 0) __atomic_store_n(&job->lane->error, errno, __ATOMIC_RELAXED);
}

static uint64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t gts_pool_busy_ms(struct gts_pool *pool) {
  pthread_mutex_lock(&pool->lock);
  uint64_t now = now_ms(), longest = 0;
  for (struct gts_job *job = pool->writing; job; job = job->next)
    if (now - job->begun_ms > longest) longest = now - job->begun_ms;
  pthread_mutex_unlock(&pool->lock);
  return longest;
}

/* Runs a job and hands it over; with the lock held, which it gives back meanwhile. The next job of its lane, or NULL. */
static struct gts_job *do_job(struct gts_pool *pool, struct gts_job *job) {
  if (job->op == GTS_PWRITEV) {
    job->begun_ms = now_ms();
    job->next = pool->writing;
    pool->writing = job;
  }
  pthread_mutex_unlock(&pool->lock);
  job->result = run(job);
  if (job->store.name && job->result >= 0) store(job);
  pthread_mutex_lock(&pool->lock);
  if (job->op == GTS_PWRITEV) {
    struct gts_job **link = &pool->writing;
    while (*link != job) link = &(*link)->next;
    *link = job->next;
  }
  struct gts_job *behind = job->behind;
  job->behind = NULL;
  if (job->lane && !behind) job->lane->last = NULL;
  int first = pool->done.head == NULL;
  list_push(&pool->done, job);
  if (first) pool->wake(pool->data);
  return behind;
}

static void free_jobs(struct gts_job *job) {
  while (job) {
    struct gts_job *next = job->next, *behind = job->behind;
    free(job);
    while (behind) {
      struct gts_job *after = behind->behind;
      free(behind);
      behind = after;
    }
    job = next;
  }
}

/* GlusterFS's name for threads that wait for a disk. */
static void take_name(void) {
  static atomic_uint number;
  char name[16];
  snprintf(name, sizeof name, "glfs_iotwr%03x", atomic_fetch_add(&number, 1) % 0x1000);
  pthread_setname_np(pthread_self(), name);
}

static void *work(void *argument) {
  struct gts_pool *pool = argument;
  take_name();
  struct gts_job *job = NULL;
  pthread_mutex_lock(&pool->lock);
  for (;;) {
    if (!job) {
      pool->idle++;
      while (!pool->todo.head && !pool->stopping) pthread_cond_wait(&pool->work, &pool->lock);
      pool->idle--;
    }
    if (pool->stopping) break;
    if (!job) {
      job = list_pop(&pool->todo);
      pool->queued--;
    }
    job = do_job(pool, job);
    /* A long lane doesn't keep the others waiting for a thread. */
    if (job && pool->queued > pool->idle && pool->thread_count == pool->threads_max) {
      list_push(&pool->todo, job);
      pool->queued++;
      job = NULL;
    }
  }
  if (job) {
    job->next = NULL;
    free_jobs(job);
  }
  pthread_mutex_unlock(&pool->lock);
  return NULL;
}

/* One more thread, with the lock held. */
static int start_thread(struct gts_pool *pool) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, GTS_POOL_STACK_SIZE);
  /* Signals are the main thread's business. */
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int error = pthread_create(&pool->threads[pool->thread_count], &attributes, work, pool);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
  if (error == 0) pool->thread_count++;
  return error;
}

struct gts_pool *gts_pool_new(int threads_max, void (*wake)(void *), void *data) {
  struct gts_pool *pool = calloc(1, sizeof *pool + (size_t)threads_max * sizeof(pthread_t));
  if (!pool) return NULL;
  pthread_mutex_init(&pool->lock, NULL);
  pthread_cond_init(&pool->work, NULL);
  list_init(&pool->todo);
  list_init(&pool->done);
  pool->wake = wake;
  pool->data = data;
  pool->threads_max = threads_max;
  pthread_mutex_lock(&pool->lock);
  int error = start_thread(pool);
  pthread_mutex_unlock(&pool->lock);
  if (error) {
    free(pool);
    return NULL;
  }
  return pool;
}

void gts_pool_submit(struct gts_pool *pool, struct gts_job *job) {
  pthread_mutex_lock(&pool->lock);
  if (job->lane) {
    struct gts_job *before = job->lane->last;
    job->lane->last = job;
    if (before) {
      before->behind = job;
      pthread_mutex_unlock(&pool->lock);
      return;
    }
  }
  list_push(&pool->todo, job);
  pool->queued++;
  if (pool->queued > pool->idle && pool->thread_count < pool->threads_max) start_thread(pool);
  pthread_cond_signal(&pool->work);
  pthread_mutex_unlock(&pool->lock);
}

struct gts_job *gts_pool_take(struct gts_pool *pool) {
  pthread_mutex_lock(&pool->lock);
  struct gts_job *jobs = pool->done.head;
  list_init(&pool->done);
  pthread_mutex_unlock(&pool->lock);
  return jobs;
}

void gts_pool_free(struct gts_pool *pool) {
  pthread_mutex_lock(&pool->lock);
  pool->stopping = 1;
  pthread_cond_broadcast(&pool->work);
  pthread_mutex_unlock(&pool->lock);
  for (int i = 0; i < pool->thread_count; i++) pthread_join(pool->threads[i], NULL);
  free_jobs(pool->todo.head);
  free_jobs(pool->done.head);
  pthread_mutex_destroy(&pool->lock);
  pthread_cond_destroy(&pool->work);
  free(pool);
}
