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

struct stand_in {
  v8::Isolate* isolate;
  v8::Global<v8::Context> context;
  uv_loop_t* loop;
  stand_in_events events;
  std::atomic<int> state{HERE};
  pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t wake = PTHREAD_COND_INITIALIZER;
  bool asked = false, started = false, stopping = false;
  pthread_t thread;
};

static void TakeOver(stand_in* self) {
  int expected = AWAY;
  if (!self->state.compare_exchange_strong(expected, TAKEN)) return;
  v8::Locker locker(self->isolate);
  // The first one was sooner.
  if (self->state.load() != TAKEN) return;
  v8::Isolate::Scope isolate(self->isolate);
  v8::HandleScope handles(self->isolate);
  v8::Context::Scope context(self->context.Get(self->isolate));
  self->events.begin(self->events.context);
  while (self->state.load() == TAKEN) uv_run(self->loop, UV_RUN_ONCE);
  self->events.end(self->events.context);
}

static void* Run(void* argument) {
  auto* self = static_cast<stand_in*>(argument);
  pthread_setname_np(pthread_self(), "glfs_standin");
  pthread_mutex_lock(&self->lock);
  while (!self->stopping) {
    if (!self->asked) {
      pthread_cond_wait(&self->wake, &self->lock);
      continue;
    }
    pthread_mutex_unlock(&self->lock);
    TakeOver(self);
    pthread_mutex_lock(&self->lock);
    self->asked = false;
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
  return self;
}

void stand_in_free(struct stand_in* self) {
  pthread_mutex_lock(&self->lock);
  self->stopping = true;
  pthread_cond_signal(&self->wake);
  pthread_mutex_unlock(&self->lock);
  if (self->started && pthread_equal(self->thread, pthread_self())) return;  // the process ends while it stands in
  if (self->started) pthread_join(self->thread, nullptr);
  delete self;
}

void stand_in_ask(struct stand_in* self) {
  if (self->state.load() != AWAY) return;
  pthread_mutex_lock(&self->lock);
  self->asked = true;
  if (!self->started && !self->stopping) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, kStackSize);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    self->started = pthread_create(&self->thread, &attributes, Run, self) == 0;
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    pthread_attr_destroy(&attributes);
  }
  pthread_cond_signal(&self->wake);
  pthread_mutex_unlock(&self->lock);
}

static_assert(sizeof(v8::Unlocker) <= 32 && alignof(v8::Unlocker) <= 16, "Away has room for it");

Away::Away(struct stand_in* stand_in) : stand_in_(stand_in) {
  if (!stand_in_) return;
  new (unlocker_) v8::Unlocker(stand_in_->isolate);
  stand_in_->state.store(AWAY, std::memory_order_release);
}

Away::~Away() {
  if (!stand_in_) return;
  if (stand_in_->state.exchange(HERE) == TAKEN) stand_in_->events.wake(stand_in_->events.context);
  std::launder(reinterpret_cast<v8::Unlocker*>(unlocker_))->~Unlocker();
}
