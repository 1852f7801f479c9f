#include "stand_in.h"

// It tells the newest version, in place of the one that the addon asks for.
#undef NAPI_VERSION
#include <node_version.h>
#include <pthread.h>
#include <signal.h>
#include <v8.h>

#include <atomic>
#include <new>

namespace {
// Where the loop's thread is: at its work; in a call; in a call, and another one does its work.
enum State { HERE, AWAY, TAKEN };
// JavaScript's own limit is below 1 MiB, as on the first thread.
constexpr size_t kStackSize = 8 << 20;
// V8's lock is there in all versions, but what else depends on the thread is not the same. With this one it has been tested.
constexpr unsigned kTestedMajor = 20;
}  // namespace

struct stand_in;

namespace {
// One who runs the loop: the loop's own thread, or one that stands in for the one before.
struct Level {
  std::atomic<int> state{HERE};
  stand_in* self = nullptr;
  int depth = 0;
  // Of the thread that is this level; the loop's own has none.
  pthread_cond_t wake = PTHREAD_COND_INITIALIZER;
  bool asked = false, started = false;
  pthread_t thread;
};
}  // namespace

struct stand_in {
  v8::Isolate* isolate;
  v8::Global<v8::Context> context;
  uv_loop_t* loop;
  stand_in_events events;
  Level levels[STAND_IN_MAX + 1];
  // The level that is in JavaScript, or in a call that nobody has taken over. Changed with the lock, while nobody is in JavaScript.
  std::atomic<int> top{0};
  pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t ended = PTHREAD_COND_INITIALIZER;
  bool stopping = false;
};

// For the level below.
static void TakeOver(stand_in* self, int depth) {
  std::atomic<int>& below = self->levels[depth - 1].state;
  pthread_mutex_lock(&self->lock);
  int expected = AWAY;
  bool taken = self->top.load() == depth - 1 && below.compare_exchange_strong(expected, TAKEN);
  if (taken) self->top.store(depth);
  pthread_mutex_unlock(&self->lock);
  if (!taken) return;
  {
    v8::Locker locker(self->isolate);
    // Otherwise the other one was sooner.
    if (below.load() == TAKEN) {
      v8::Isolate::Scope isolate(self->isolate);
      v8::HandleScope handles(self->isolate);
      v8::Context::Scope context(self->context.Get(self->isolate));
      self->events.begin(self->events.context, depth);
      while (below.load() == TAKEN) uv_run(self->loop, UV_RUN_ONCE);
      self->events.end(self->events.context, depth);
    }
  }
  pthread_mutex_lock(&self->lock);
  self->top.store(depth - 1);
  pthread_cond_broadcast(&self->ended);
  // It may be at its end as well; then whoever came back has told so while another one was in the loop.
  bool last = depth > 1 && self->levels[depth - 2].state.load() != TAKEN;
  pthread_mutex_unlock(&self->lock);
  if (last) self->events.wake(self->events.context);
}

static void* Run(void* argument) {
  auto* level = static_cast<Level*>(argument);
  stand_in* self = level->self;
  pthread_setname_np(pthread_self(), "glfs_standin");
  pthread_mutex_lock(&self->lock);
  while (!self->stopping) {
    if (!level->asked) {
      pthread_cond_wait(&level->wake, &self->lock);
      continue;
    }
    pthread_mutex_unlock(&self->lock);
    TakeOver(self, level->depth);
    pthread_mutex_lock(&self->lock);
    level->asked = false;
  }
  pthread_mutex_unlock(&self->lock);
  return nullptr;
}

struct stand_in* stand_in_new(napi_env env, uv_loop_t* loop, const struct stand_in_events* events) {
  const napi_node_version* version = nullptr;
  if (napi_get_node_version(env, &version) != napi_ok || version->major != NODE_MAJOR_VERSION || version->major != kTestedMajor) return nullptr;
  v8::Isolate* isolate = v8::Isolate::GetCurrent();
  if (!v8::Locker::IsLocked(isolate)) return nullptr;
  v8::HandleScope handles(isolate);
  auto* self = new (std::nothrow) stand_in();
  if (!self) return nullptr;
  self->isolate = isolate;
  self->context.Reset(isolate, isolate->GetCurrentContext());
  self->loop = loop;
  self->events = *events;
  for (int depth = 0; depth <= STAND_IN_MAX; depth++) {
    self->levels[depth].self = self;
    self->levels[depth].depth = depth;
  }
  return self;
}

void stand_in_free(struct stand_in* self) {
  pthread_mutex_lock(&self->lock);
  self->stopping = true;
  // The process ends while one stands in.
  bool busy = self->top.load() != 0;
  for (Level& level : self->levels) pthread_cond_signal(&level.wake);
  pthread_mutex_unlock(&self->lock);
  if (busy) return;
  for (Level& level : self->levels)
    if (level.started) pthread_join(level.thread, nullptr);
  delete self;
}

void stand_in_ask(struct stand_in* self) {
  pthread_mutex_lock(&self->lock);
  int top = self->top.load();
  if (top < STAND_IN_MAX && self->levels[top].state.load() == AWAY && !self->stopping) {
    Level& level = self->levels[top + 1];
    level.asked = true;
    if (!level.started) {
      pthread_attr_t attributes;
      pthread_attr_init(&attributes);
      pthread_attr_setstacksize(&attributes, kStackSize);
      sigset_t all, before;
      sigfillset(&all);
      pthread_sigmask(SIG_SETMASK, &all, &before);
      level.started = pthread_create(&level.thread, &attributes, Run, &level) == 0;
      pthread_sigmask(SIG_SETMASK, &before, nullptr);
      pthread_attr_destroy(&attributes);
    }
    pthread_cond_signal(&level.wake);
  }
  pthread_mutex_unlock(&self->lock);
}

static_assert(sizeof(v8::Unlocker) <= 32 && alignof(v8::Unlocker) <= 16, "Away has room for it");

Away::Away(struct stand_in* stand_in) : stand_in_(stand_in) {
  if (!stand_in_) return;
  depth_ = stand_in_->top.load(std::memory_order_relaxed);
  new (unlocker_) v8::Unlocker(stand_in_->isolate);
  stand_in_->levels[depth_].state.store(AWAY, std::memory_order_release);
}

// Another one has taken over: waits for its end.
static void ComeBack(stand_in* self, int depth) {
  pthread_mutex_lock(&self->lock);
  self->levels[depth].state.store(HERE);
  if (self->top.load() == depth + 1) self->events.wake(self->events.context);
  while (self->top.load() != depth) pthread_cond_wait(&self->ended, &self->lock);
  pthread_mutex_unlock(&self->lock);
}

Away::~Away() {
  if (!stand_in_) return;
  int expected = AWAY;
  if (!stand_in_->levels[depth_].state.compare_exchange_strong(expected, HERE)) ComeBack(stand_in_, depth_);
  std::launder(reinterpret_cast<v8::Unlocker*>(unlocker_))->~Unlocker();
}
