// FuseChannel for JavaScript: the device lies in the event pool's epoll set; what it reads enters JavaScript with the pool's batch.
#include <napi.h>
#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "bindings.h"
#include "event_pool_binding.h"
#include "fuse_channel.h"
#include "fuse_watch.h"
#include "slab.h"

namespace {

constexpr int kVectorMax = 1024;
constexpr int kRequestInts = 4;

// A system call on a thread of libuv's pool; the promise resolves with 0 or -errno.
class ThreadCall : public Napi::AsyncWorker {
 public:
  ThreadCall(Napi::Env env, std::string bytes) : Napi::AsyncWorker(env), bytes_(std::move(bytes)), deferred_(Napi::Promise::Deferred::New(env)) {}
  Napi::Promise Start() {
    Napi::Promise promise = deferred_.Promise();
    Queue();
    return promise;
  }

 protected:
  void OnOK() override { deferred_.Resolve(Result()); }
  virtual Napi::Value Result() { return Napi::Number::New(Env(), result_); }
  std::string bytes_;
  int result_ = 0;

 private:
  Napi::Promise::Deferred deferred_;
};

// The kernel may hold a notification until a request that we have yet to answer is done. Several one after the other: while
// others go on, the lock that each waits for is free for some microseconds only, less than a hop to this thread takes.
class NotifyCall : public ThreadCall {
 public:
  NotifyCall(Napi::Env env, int fd, std::vector<std::string> messages) : ThreadCall(env, {}), fd_(fd), messages_(std::move(messages)) {}
  void Execute() override {
    for (const std::string& message : messages_) results_.push_back(write(fd_, message.data(), message.size()) < 0 ? -errno : 0);
    close(fd_);
  }

 protected:
  Napi::Value Result() override {
    Napi::Array results = Napi::Array::New(Env(), results_.size());
    for (uint32_t i = 0; i < results_.size(); i++) results[i] = Napi::Number::New(Env(), results_[i]);
    return results;
  }

 private:
  int fd_;
  std::vector<std::string> messages_;
  std::vector<int> results_;
};

// Unmounting writes dirty pages back, through us.
class UmountCall : public ThreadCall {
 public:
  UmountCall(Napi::Env env, std::string target, int flags) : ThreadCall(env, std::move(target)), flags_(flags) {}
  void Execute() override {
    if (umount2(bytes_.c_str(), flags_) < 0) result_ = -errno;
  }

 private:
  int flags_;
};

std::string BytesOf(const Napi::Value& value) {
  auto buffer = value.As<Napi::Buffer<char>>();
  return std::string(buffer.Data(), buffer.Length());
}

class FuseChannel : public Napi::ObjectWrap<FuseChannel>, public PoolDevice {
 public:
  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "FuseChannel",
                       {
                           InstanceMethod<&FuseChannel::Write>("write"),
                           InstanceMethod<&FuseChannel::Notify>("notify"),
                           InstanceMethod<&FuseChannel::Pause>("pause"),
                           InstanceMethod<&FuseChannel::Resume>("resume"),
                           InstanceMethod<&FuseChannel::Close>("close"),
                       });
  }

  // new FuseChannel(fd, payloadMax, onBatch(buffer, offset, requests, errno, unusedPage), allocPage(size) → Uint8Array, pageIndex: Int32Array(1), eventPool)
  explicit FuseChannel(const Napi::CallbackInfo& info) : Napi::ObjectWrap<FuseChannel>(info), env_(info.Env()) {
    on_batch_ = Napi::Persistent(info[2].As<Napi::Function>());
    alloc_page_ = Napi::Persistent(info[3].As<Napi::Function>());
    page_index_ = Napi::Persistent(info[4].As<Napi::Int32Array>());
    channel_ = fuse_channel_new(info[0].As<Napi::Number>().Int32Value(), static_cast<size_t>(info[1].As<Napi::Number>().Int64Value()), &FuseChannel::Page, this);
    if (!channel_) {
      Napi::Error::New(env_, std::string("the FUSE device cannot be used: ") + strerror(errno)).ThrowAsJavaScriptException();
      return;
    }
    pool_object_ = Napi::Persistent(info[5].As<Napi::Object>());
    pool_ = PoolOf(info[5]);
    id_ = pool_->Watch(fuse_channel_fd(channel_), this);
    if (id_ < 0) {
      fuse_channel_free(channel_);
      channel_ = nullptr;
      Napi::Error::New(env_, "the FUSE device cannot be watched").ThrowAsJavaScriptException();
      return;
    }
    // Alive until close(), whether or not JavaScript holds on to it.
    this->Ref();
    napi_add_env_cleanup_hook(env_, &FuseChannel::Cleanup, this);
  }

 private:
  static void Cleanup(void* self) { static_cast<FuseChannel*>(self)->Shut(); }

  static uint8_t* Page(void* context, size_t size, int32_t* index) {
    auto* self = static_cast<FuseChannel*>(context);
    try {
      Napi::Value page = self->alloc_page_.Call({Napi::Number::New(self->env_, static_cast<double>(size))});
      if (!page.IsTypedArray()) return nullptr;
      auto bytes = page.As<Napi::Uint8Array>();
      if (bytes.ByteLength() < size) return nullptr;
      *index = self->page_index_.Value()[0];
      return bytes.Data();
    } catch (const Napi::Error&) {
      return nullptr;
    }
  }

  void Drain() override {
    if (!channel_) return;
    // What a drain found is handed on before the pool drains again.
    fuse_channel_drain(channel_, &batch_);
    if (batch_.error) pool_->PauseDevice(id_, true);
  }

  void Deliver() override {
    if (!channel_) return;
    int32_t spare = fuse_channel_spare_page(channel_);
    size_t table = batch_.count * sizeof(struct fuse_channel_request);
    if (batch_.count == 0 && batch_.error == 0 && spare < 0) return;
    size_t offset = 0;
    Napi::ArrayBuffer buffer = slab_.Take(env_, table + batch_.length, &offset);
    auto* bytes = static_cast<uint8_t*>(buffer.Data()) + offset;
    static_assert(sizeof(struct fuse_channel_request) == kRequestInts * sizeof(int32_t), "JavaScript reads it as 4 ints");
    if (batch_.count) memcpy(bytes, batch_.requests, table);
    if (batch_.length) memcpy(bytes + table, batch_.bytes, batch_.length);
    try {
      on_batch_.Call(env_.Global(), {buffer, Napi::Number::New(env_, static_cast<double>(offset)), Napi::Number::New(env_, static_cast<double>(batch_.count)),
                                     Napi::Number::New(env_, batch_.error), Napi::Number::New(env_, spare)});
    } catch (const Napi::Error& error) {
      napi_fatal_exception(env_, error.Value());
    }
  }

  // write(buffers) → 0 or -errno
  Napi::Value Write(const Napi::CallbackInfo& info) {
    if (!channel_) return Napi::Number::New(env_, -ENODEV);
    auto buffers = info[0].As<Napi::Array>();
    uint32_t count = buffers.Length();
    if (count > kVectorMax) return Napi::Number::New(env_, -E2BIG);
    struct iovec vector[kVectorMax];
    for (uint32_t i = 0; i < count; i++) {
      napi_value item;
      napi_get_element(env_, buffers, i, &item);
      void* data = nullptr;
      size_t length = 0;
      if (napi_get_typedarray_info(env_, item, nullptr, &length, &data, nullptr, nullptr) != napi_ok) return Napi::Number::New(env_, -EINVAL);
      vector[i] = {data, length};
    }
    return Napi::Number::New(env_, fuse_channel_write(channel_, vector, static_cast<int>(count)));
  }

  // notify(messages) → promise of an array, 0 or -errno of each
  Napi::Value Notify(const Napi::CallbackInfo& info) {
    auto list = info[0].As<Napi::Array>();
    uint32_t count = list.Length();
    int fd = channel_ ? fuse_channel_dup(channel_) : -ENODEV;
    if (fd < 0) {
      Napi::Array results = Napi::Array::New(env_, count);
      for (uint32_t i = 0; i < count; i++) results[i] = Napi::Number::New(env_, fd);
      auto deferred = Napi::Promise::Deferred::New(env_);
      deferred.Resolve(results);
      return deferred.Promise();
    }
    std::vector<std::string> messages;
    messages.reserve(count);
    for (uint32_t i = 0; i < count; i++) messages.push_back(BytesOf(list[i]));
    return (new NotifyCall(env_, fd, std::move(messages)))->Start();
  }

  void Pause(const Napi::CallbackInfo&) {
    if (channel_) pool_->PauseDevice(id_, true);
  }

  void Resume(const Napi::CallbackInfo&) {
    if (channel_) pool_->PauseDevice(id_, false);
  }

  void Close(const Napi::CallbackInfo&) {
    if (!Shut()) return;
    napi_remove_env_cleanup_hook(env_, &FuseChannel::Cleanup, this);
    this->Unref();
  }

  bool Shut() {
    if (!channel_) return false;
    pool_->Unwatch(id_);
    fuse_channel_free(channel_);
    channel_ = nullptr;
    return true;
  }

  Napi::Env env_;
  Napi::FunctionReference on_batch_, alloc_page_;
  Napi::Reference<Napi::Int32Array> page_index_;
  fuse_channel* channel_ = nullptr;
  struct fuse_channel_batch batch_ = {};
  Slab slab_;
  Napi::ObjectReference pool_object_;
  PoolDevices* pool_ = nullptr;
  int id_ = -1;
};

// fuseFusermount(argv: Buffer[], stay) → fd or -errno
Napi::Value Fusermount(const Napi::CallbackInfo& info) {
  auto list = info[0].As<Napi::Array>();
  std::vector<std::string> words;
  std::vector<char*> argv;
  for (uint32_t i = 0; i < list.Length(); i++) {
    words.push_back(BytesOf(list.Get(i)));
  }
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  return Napi::Number::New(info.Env(), fuse_channel_fusermount(argv.data(), info[1].As<Napi::Boolean>().Value() ? 1 : 0));
}

// fuseUmount(target, flags) → promise of 0 or -errno
Napi::Value Umount(const Napi::CallbackInfo& info) {
  return (new UmountCall(info.Env(), BytesOf(info[0]), info[1].As<Napi::Number>().Int32Value()))->Start();
}

// fuseWatch(target) → [fd, pid], or -errno
Napi::Value Watch(const Napi::CallbackInfo& info) {
  pid_t pid = 0;
  int fd = fuse_watch_start(BytesOf(info[0]).c_str(), &pid);
  if (fd < 0) return Napi::Number::New(info.Env(), fd);
  auto both = Napi::Array::New(info.Env(), 2);
  both.Set(0u, fd);
  both.Set(1u, static_cast<double>(pid));
  return both;
}

// fuseUnwatch(fd, pid)
void Unwatch(const Napi::CallbackInfo& info) {
  fuse_watch_stop(info[0].As<Napi::Number>().Int32Value(), info[1].As<Napi::Number>().Int32Value());
}

}  // namespace

void BindFuse(Napi::Env env, Napi::Object exports) {
  exports.Set("FuseChannel", FuseChannel::Define(env));
  exports.Set("fuseUmount", Napi::Function::New<Umount>(env, "fuseUmount"));
  exports.Set("fuseWatch", Napi::Function::New<Watch>(env, "fuseWatch"));
  exports.Set("fuseUnwatch", Napi::Function::New<Unwatch>(env, "fuseUnwatch"));
  exports.Set("fuseFusermount", Napi::Function::New<Fusermount>(env, "fuseFusermount"));
}
