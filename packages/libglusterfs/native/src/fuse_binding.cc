// FuseChannel for JavaScript: libuv watches the device; a wake-up reads several requests and enters JavaScript once.
#include <napi.h>
#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>
#include <uv.h>

#include <string>
#include <vector>

#include "bindings.h"
#include "fuse_channel.h"

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
  void OnOK() override { deferred_.Resolve(Napi::Number::New(Env(), result_)); }
  std::string bytes_;
  int result_ = 0;

 private:
  Napi::Promise::Deferred deferred_;
};

// The kernel may hold a notification until a request that we have yet to answer is done.
class NotifyCall : public ThreadCall {
 public:
  NotifyCall(Napi::Env env, int fd, std::string message) : ThreadCall(env, std::move(message)), fd_(fd) {}
  void Execute() override {
    if (write(fd_, bytes_.data(), bytes_.size()) < 0) result_ = -errno;
    close(fd_);
  }

 private:
  int fd_;
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

class FuseChannel : public Napi::ObjectWrap<FuseChannel> {
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

  // new FuseChannel(fd, payloadMax, onBatch(buffer, requests, errno, unusedPage), allocPage(size) → Uint8Array, pageIndex: Int32Array(1))
  explicit FuseChannel(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<FuseChannel>(info), env_(info.Env()), context_(info.Env(), "glusterts:FuseChannel") {
    on_batch_ = Napi::Persistent(info[2].As<Napi::Function>());
    alloc_page_ = Napi::Persistent(info[3].As<Napi::Function>());
    page_index_ = Napi::Persistent(info[4].As<Napi::Int32Array>());
    channel_ = fuse_channel_new(info[0].As<Napi::Number>().Int32Value(), static_cast<size_t>(info[1].As<Napi::Number>().Int64Value()), &FuseChannel::Page, this);
    if (!channel_) {
      Napi::Error::New(env_, std::string("the FUSE device cannot be used: ") + strerror(errno)).ThrowAsJavaScriptException();
      return;
    }
    uv_loop_t* loop = nullptr;
    napi_get_uv_event_loop(env_, &loop);
    poll_ = new uv_poll_t;
    poll_->data = this;
    if (uv_poll_init(loop, poll_, fuse_channel_fd(channel_)) != 0) {
      delete poll_;
      poll_ = nullptr;
      fuse_channel_free(channel_);
      channel_ = nullptr;
      Napi::Error::New(env_, "the FUSE device cannot be watched").ThrowAsJavaScriptException();
      return;
    }
    uv_poll_start(poll_, UV_READABLE, &FuseChannel::Ready);
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

  static void Ready(uv_poll_t* handle, int, int) {
    auto* self = static_cast<FuseChannel*>(handle->data);
    if (!self->channel_) return;
    Napi::HandleScope scope(self->env_);
    struct fuse_channel_batch batch;
    fuse_channel_drain(self->channel_, &batch);
    if (batch.error) uv_poll_stop(handle);
    int32_t spare = fuse_channel_spare_page(self->channel_);
    size_t table = batch.count * sizeof(struct fuse_channel_request);
    Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(self->env_, table + batch.length);
    auto* bytes = static_cast<uint8_t*>(buffer.Data());
    static_assert(sizeof(struct fuse_channel_request) == kRequestInts * sizeof(int32_t), "JavaScript reads it as 4 ints");
    if (batch.count) memcpy(bytes, batch.requests, table);
    if (batch.length) memcpy(bytes + table, batch.bytes, batch.length);
    try {
      self->on_batch_.MakeCallback(self->env_.Global(),
                                   {buffer, Napi::Number::New(self->env_, static_cast<double>(batch.count)), Napi::Number::New(self->env_, batch.error),
                                    Napi::Number::New(self->env_, spare)},
                                   self->context_);
    } catch (const Napi::Error& error) {
      napi_fatal_exception(self->env_, error.Value());
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

  // notify(message) → promise of 0 or -errno
  Napi::Value Notify(const Napi::CallbackInfo& info) {
    int fd = channel_ ? fuse_channel_dup(channel_) : -ENODEV;
    if (fd < 0) {
      auto deferred = Napi::Promise::Deferred::New(env_);
      deferred.Resolve(Napi::Number::New(env_, fd));
      return deferred.Promise();
    }
    return (new NotifyCall(env_, fd, BytesOf(info[0])))->Start();
  }

  void Pause(const Napi::CallbackInfo&) {
    if (poll_) uv_poll_stop(poll_);
  }

  void Resume(const Napi::CallbackInfo&) {
    if (poll_) uv_poll_start(poll_, UV_READABLE, &FuseChannel::Ready);
  }

  void Close(const Napi::CallbackInfo&) {
    if (!Shut()) return;
    napi_remove_env_cleanup_hook(env_, &FuseChannel::Cleanup, this);
    this->Unref();
  }

  bool Shut() {
    if (!channel_) return false;
    uv_poll_stop(poll_);
    uv_close(reinterpret_cast<uv_handle_t*>(poll_), [](uv_handle_t* handle) { delete reinterpret_cast<uv_poll_t*>(handle); });
    poll_ = nullptr;
    fuse_channel_free(channel_);
    channel_ = nullptr;
    return true;
  }

  Napi::Env env_;
  Napi::AsyncContext context_;
  Napi::FunctionReference on_batch_, alloc_page_;
  Napi::Reference<Napi::Int32Array> page_index_;
  fuse_channel* channel_ = nullptr;
  uv_poll_t* poll_ = nullptr;
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

}  // namespace

void BindFuse(Napi::Env env, Napi::Object exports) {
  exports.Set("FuseChannel", FuseChannel::Define(env));
  exports.Set("fuseUmount", Napi::Function::New<Umount>(env, "fuseUmount"));
  exports.Set("fuseFusermount", Napi::Function::New<Fusermount>(env, "fuseFusermount"));
}
