// EventPool for JavaScript: a wake-up drains the pool and enters JavaScript once with the batch, then once more, after all
// promise reactions, to send what the batch produced. Who waits for the wake-up: libuv, which watches the pool's epoll fd; or,
// in a process that has asked for it (drive()), the pool, which watches libuv's. That saves a system call and a turn of libuv's loop for each wake-up.
#include <napi.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <uv.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "bindings.h"
#include "event_pool.h"
#include "event_pool_binding.h"
#include "slab.h"
#include "stall_guard.h"

namespace {

constexpr int kVectorMax = 1024;
constexpr uint32_t kEventInts = sizeof(struct event) / sizeof(int32_t);
// Events of a batch for which there is room from the start.
constexpr uint32_t kEventsRoom = 64;
// Batches handled one after the other before libuv has its turn.
constexpr int kTurnsMax = 64;
// Changes may lead to others, of which so many rounds are made before the answers leave.
constexpr int kTurnsOfChanges = 4;

socklen_t ParseAddress(const Napi::Value& host, const Napi::Value& port, sockaddr_storage* out) {
  memset(out, 0, sizeof *out);
  if (port.IsUndefined()) {  // a path, as bytes
    std::string path = host.As<Napi::Buffer<char>>().Length() ? std::string(host.As<Napi::Buffer<char>>().Data(), host.As<Napi::Buffer<char>>().Length()) : std::string();
    auto* un = reinterpret_cast<sockaddr_un*>(out);
    if (path.empty() || path.size() >= sizeof un->sun_path) return 0;
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path.data(), path.size());
    // An abstract name begins with a NUL, and is as long as it says.
    return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + (path[0] == '\0' ? 0 : 1));
  }
  std::string text = host.As<Napi::String>().Utf8Value();
  uint16_t number = htons(static_cast<uint16_t>(port.As<Napi::Number>().Uint32Value()));
  auto* in4 = reinterpret_cast<sockaddr_in*>(out);
  auto* in6 = reinterpret_cast<sockaddr_in6*>(out);
  if (inet_pton(AF_INET, text.c_str(), &in4->sin_addr) == 1) {
    in4->sin_family = AF_INET;
    in4->sin_port = number;
    return sizeof *in4;
  }
  if (inet_pton(AF_INET6, text.c_str(), &in6->sin6_addr) == 1) {
    in6->sin6_family = AF_INET6;
    in6->sin6_port = number;
    return sizeof *in6;
  }
  return 0;
}

std::string FormatAddress(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET) {
    auto& in4 = reinterpret_cast<const sockaddr_in&>(address);
    inet_ntop(AF_INET, &in4.sin_addr, text, sizeof text);
    return std::string(text) + ":" + std::to_string(ntohs(in4.sin_port));
  }
  if (address.ss_family == AF_INET6) {
    auto& in6 = reinterpret_cast<const sockaddr_in6&>(address);
    inet_ntop(AF_INET6, &in6.sin6_addr, text, sizeof text);
    return std::string(text) + ":" + std::to_string(ntohs(in6.sin6_port));
  }
  if (address.ss_family == AF_UNIX) return reinterpret_cast<const sockaddr_un&>(address).sun_path;  // nothing for an abstract name
  return "";
}

class EventPool : public Napi::ObjectWrap<EventPool>, public PoolDevices {
 public:
  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "EventPool",
                       {
                           InstanceMethod<&EventPool::Connect>("connect"),
                           InstanceMethod<&EventPool::Listen>("listen"),
                           InstanceMethod<&EventPool::Writev>("writev"),
                           InstanceMethod<&EventPool::NoteRead>("noteRead"),
                           InstanceMethod<&EventPool::TakeDescriptor>("takeDescriptor"),
                           InstanceMethod<&EventPool::PeerUid>("peerUid"),
                           InstanceMethod<&EventPool::Pause>("pause"),
                           InstanceMethod<&EventPool::Close>("close"),
                           InstanceMethod<&EventPool::LocalName>("localName"),
                           InstanceMethod<&EventPool::PeerName>("peerName"),
                           InstanceMethod<&EventPool::Drive>("drive"),
                           InstanceMethod<&EventPool::SetThreads>("setThreads"),
                           InstanceMethod<&EventPool::Ref>("ref"),
                           InstanceMethod<&EventPool::Unref>("unref"),
                       });
  }

  // new EventPool(onBatch(events: Int32Array, eventCount, bytes: ArrayBuffer, offset), afterBatch(), allocPage(size) → Uint8Array, pageIndex: Int32Array(1))
  explicit EventPool(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<EventPool>(info), env_(info.Env()), context_(info.Env(), "glusterts:EventPool") {
    on_batch_ = Napi::Persistent(info[0].As<Napi::Function>());
    after_batch_ = Napi::Persistent(info[1].As<Napi::Function>());
    alloc_page_ = Napi::Persistent(info[2].As<Napi::Function>());
    page_index_ref_ = Napi::Persistent(info[3].As<Napi::Int32Array>());
    pool_ = event_pool_new(&EventPool::Page, this);
    if (!pool_) {
      Napi::Error::New(env_, "no epoll set could be made").ThrowAsJavaScriptException();
      return;
    }
    turns_ = TurnsOf(env_);
    OnStandIn(turns_, &EventPool::StandIn, this);
    napi_get_uv_event_loop(env_, &loop_);
    poll_ = new uv_poll_t;
    poll_->data = this;
    uv_poll_init(loop_, poll_, event_pool_fd(pool_));
    uv_poll_start(poll_, UV_READABLE, &EventPool::Ready);
    uv_unref(reinterpret_cast<uv_handle_t*>(poll_));
    // The pool lives until the environment ends: connections may not outlive it, and neither may a wake-up.
    info.This().As<Napi::Object>().Set("self", info.This());
    env_.AddCleanupHook(
        [](EventPool* self) {
          if (self->guard_) stall_watch_stop(self->guard_);
          uv_close(reinterpret_cast<uv_handle_t*>(self->poll_), [](uv_handle_t* handle) { delete reinterpret_cast<uv_poll_t*>(handle); });
          if (self->turn_) {
            DrivenLoops().erase(self->loop_);
            uv_close(reinterpret_cast<uv_handle_t*>(self->turn_), [](uv_handle_t* handle) { delete reinterpret_cast<uv_prepare_t*>(handle); });
            uv_close(reinterpret_cast<uv_handle_t*>(self->restless_), [](uv_handle_t* handle) { delete reinterpret_cast<uv_idle_t*>(handle); });
          }
          event_pool_free(self->pool_);
          self->pool_ = nullptr;
        },
        this);
  }

 private:
  static uint8_t* Page(void* context, size_t size, int32_t* index) {
    auto* self = static_cast<EventPool*>(context);
    try {
      Napi::Value page = self->alloc_page_.Call({Napi::Number::New(self->env_, static_cast<double>(size))});
      if (!page.IsTypedArray()) return nullptr;
      auto bytes = page.As<Napi::Uint8Array>();
      if (bytes.ByteLength() < size) return nullptr;
      *index = self->page_index_ref_.Value()[0];
      return bytes.Data();
    } catch (const Napi::Error&) {
      return nullptr;  // no memory: the connection is closed with ENOMEM
    }
  }

  // A device that is being watched, by its id.
  struct Watched {
    EventPool* pool;
    PoolDevice* device;
    bool ready;
  };

  static void DeviceReady(void* context) {
    auto* watched = static_cast<Watched*>(context);
    // Once in a drain: what it read has to be delivered first.
    if (watched->ready) return;
    watched->ready = true;
    watched->device->Drain();
    watched->pool->ready_.push_back(watched->device);
  }

  static void Ready(uv_poll_t* handle, int, int) { static_cast<EventPool*>(handle->data)->HandleReady(0); }

  // Waits for at most `timeout_ms`. Whether something was there.
  bool HandleReady(int timeout_ms) {
    Napi::HandleScope scope(env_);  // the drain asks JavaScript for pages
    struct event_batch batch;
    loop_ready_ = false;
    if (event_pool_drain(pool_, timeout_ms, &batch) != 0 || (batch.count == 0 && ready_.empty())) return false;
    size_t offset = 0;
    napi_value memory = Put(batch, &offset);
    std::vector<PoolDevice*> ready;
    ready.swap(ready_);
    for (auto& [id, watched] : watched_) watched->ready = false;
    {
      // All of it is one entry: promise reactions run when the scope ends.
      Napi::CallbackScope entry(env_, context_);
      Enter(on_batch_, {events_.Value(), Napi::Number::New(env_, static_cast<double>(batch.count)), memory, Napi::Number::New(env_, static_cast<double>(offset))});
      for (PoolDevice* device : ready)
        if (IsWatched(device)) device->Deliver();
    }
    // Changes of the disk, and looks at it, are made with nothing else under way, so that another thread may go on from here should one not come back.
    for (int turn = 0; turn < kTurnsOfChanges && TakeTurn(turns_); turn++) Napi::CallbackScope reactions(env_, context_);
    EndBatch();
    return true;
  }

  void EndBatch() {
    Napi::CallbackScope exit(env_, context_);
    Enter(after_batch_, {});
  }

  // On the thread that stands in: what the batch under way has left for its end.
  static void StandIn(void* context) {
    auto* self = static_cast<EventPool*>(context);
    if (!self->pool_) return;
    Napi::HandleScope scope(self->env_);
    { Napi::CallbackScope reactions(self->env_, self->context_); }
    self->EndBatch();
  }

  // Where the batch's bytes lie for JavaScript, and from where on; its events are put into events_.
  napi_value Put(const struct event_batch& batch, size_t* offset) {
    if (events_.IsEmpty() || events_.Value().ElementLength() < batch.count * kEventInts) {
      size_t room = kEventsRoom;
      while (room < batch.count) room *= 2;
      events_ = Napi::Persistent(Napi::Int32Array::New(env_, room * kEventInts));
    }
    if (batch.count) memcpy(events_.Value().Data(), batch.events, batch.count * sizeof(struct event));
    return slab_.Put(env_, batch.bytes, batch.length, offset);
  }

  // Of this thread: a loop belongs to one.
  static std::set<uv_loop_t*>& DrivenLoops() {
    static thread_local std::set<uv_loop_t*> loops;
    return loops;
  }

  // In place of libuv's own wait: waits for both, and gives libuv its turn whenever it has something to do.
  static void Turn(uv_prepare_t* handle) {
    auto* self = static_cast<EventPool*>(handle->data);
    for (int turn = 0; turn < kTurnsMax && self->pool_; turn++) {
      if (turn > 0) uv_update_time(self->loop_);
      // Restlessness keeps libuv from waiting itself, and would keep it from saying how long it would have.
      uv_idle_stop(self->restless_);
      int timeout_ms = uv_backend_timeout(self->loop_);
      uv_idle_start(self->restless_, [](uv_idle_t*) {});
      if (timeout_ms == 0 && turn > 0) return;
      bool handled = self->HandleReady(timeout_ms);
      if (!handled || self->loop_ready_ || timeout_ms == 0) return;
    }
  }

  // drive(): from now on the pool waits, not libuv. → 0 or -errno; -EBUSY when another pool does so for this loop
  Napi::Value Drive(const Napi::CallbackInfo&) {
    if (turn_ || !pool_) return Number(0);
    if (!DrivenLoops().insert(loop_).second) return Number(-EBUSY);
    bool alive = uv_has_ref(reinterpret_cast<uv_handle_t*>(poll_)) != 0;
    uv_poll_stop(poll_);
    int id = event_pool_watch(pool_, uv_backend_fd(loop_), [](void* context) { static_cast<EventPool*>(context)->loop_ready_ = true; }, this);
    if (id < 0) {
      DrivenLoops().erase(loop_);
      uv_poll_start(poll_, UV_READABLE, &EventPool::Ready);
      return Number(id);
    }
    turn_ = new uv_prepare_t;
    turn_->data = this;
    uv_prepare_init(loop_, turn_);
    uv_prepare_start(turn_, &EventPool::Turn);
    restless_ = new uv_idle_t;
    uv_idle_init(loop_, restless_);
    uv_unref(reinterpret_cast<uv_handle_t*>(restless_));
    if (!alive) uv_unref(reinterpret_cast<uv_handle_t*>(turn_));
    return Number(0);
  }

  // A device may be closed by what another delivered.
  bool IsWatched(const PoolDevice* device) const {
    for (auto& [id, watched] : watched_)
      if (watched->device == device) return true;
    return false;
  }

 public:
  int Watch(int fd, PoolDevice* device) override {
    if (!pool_) return -ENODEV;
    auto watched = std::make_unique<Watched>(Watched{this, device, false});
    int id = event_pool_watch(pool_, fd, &EventPool::DeviceReady, watched.get());
    if (id >= 0) watched_[id] = std::move(watched);
    return id;
  }
  void PauseDevice(int id, bool paused) override {
    if (pool_) event_pool_pause(pool_, id, paused ? 1 : 0);
  }
  void Unwatch(int id) override {
    if (pool_) event_pool_close(pool_, id);
    auto found = watched_.find(id);
    if (found == watched_.end()) return;
    for (auto& device : ready_)
      if (device == found->second->device) device = nullptr;
    ready_.erase(std::remove(ready_.begin(), ready_.end(), nullptr), ready_.end());
    watched_.erase(found);
  }

 private:

  void Enter(const Napi::FunctionReference& function, const std::initializer_list<napi_value>& arguments) {
    try {
      function.Call(env_.Global(), arguments);
    } catch (const Napi::Error& error) {
      napi_fatal_exception(env_, error.Value());
    }
  }

  // options: [keepaliveTimeS, keepaliveIntervalS, keepaliveCount, userTimeoutMs, windowSize, recordSizeMax, answerPings]
  static struct socket_options Options(const Napi::Value& value) {
    auto list = value.As<Napi::Float64Array>();
    return {static_cast<int>(list[0]), static_cast<int>(list[1]), static_cast<int>(list[2]),
            static_cast<int>(list[3]), static_cast<int>(list[4]), static_cast<uint32_t>(list[5]), static_cast<int>(list[6])};
  }

  // connect(host | path, port | undefined, options, bindHost | undefined, bindFrom, bindTo) → id or -errno
  Napi::Value Connect(const Napi::CallbackInfo& info) {
    sockaddr_storage address, local;
    socklen_t length = ParseAddress(info[0], info[1], &address);
    if (length == 0) return Number(-EINVAL);
    struct socket_options options = Options(info[2]);
    socklen_t local_length = 0;
    if (info[3].IsString()) local_length = ParseAddress(info[3], Napi::Number::New(env_, 0), &local);
    return Number(event_pool_connect(pool_, &address, length, &local, local_length, info[4].As<Napi::Number>().Int32Value(),
                                     info[5].As<Napi::Number>().Int32Value(), &options));
  }

  // listen(host | path, port | undefined, backlog, options) → id or -errno
  Napi::Value Listen(const Napi::CallbackInfo& info) {
    sockaddr_storage address;
    socklen_t length = ParseAddress(info[0], info[1], &address);
    if (length == 0) return Number(-EINVAL);
    struct socket_options options = Options(info[3]);
    if (options.answer_pings) guard_ = WatchStalls(env_, &EventPool::AnswerPings, this);
    return Number(event_pool_listen(pool_, &address, length, info[2].As<Napi::Number>().Int32Value(), &options));
  }

  // writev(id, buffers, skip, descriptor): the buffers but for their first `skip` bytes → bytes written now, or -errno. What is left is sent later, from the
  // same memory: the caller holds on to the buffers until EVENT_WRITABLE. `descriptor`, unless it is -1, goes along with the first byte, and is closed here then.
  Napi::Value Writev(const Napi::CallbackInfo& info) {
    auto buffers = info[1].As<Napi::Array>();
    size_t skip = static_cast<size_t>(info[2].As<Napi::Number>().Int64Value());
    uint32_t count = buffers.Length();
    struct iovec vector[kVectorMax];
    int used = 0;
    for (uint32_t i = 0; i < count && used < kVectorMax; i++) {
      napi_value item;
      napi_get_element(env_, buffers, i, &item);
      void* data = nullptr;
      size_t length = 0;
      napi_get_typedarray_info(env_, item, nullptr, &length, &data, nullptr, nullptr);
      if (skip >= length) {
        skip -= length;
        continue;
      }
      vector[used++] = {static_cast<uint8_t*>(data) + skip, length - skip};
      skip = 0;
    }
    if (used == 0) return Number(0);
    return Napi::Number::New(env_, static_cast<double>(event_pool_writev(pool_, Id(info), vector, used, info[3].As<Napi::Number>().Int32Value())));
  }

  // takeDescriptor(id) → the next of the descriptors that came along, or -1
  Napi::Value TakeDescriptor(const Napi::CallbackInfo& info) { return Number(event_pool_take_descriptor(pool_, Id(info))); }

  // peerUid(id) → whose process is at the other end of a unix socket, -1 when nobody says
  Napi::Value PeerUid(const Napi::CallbackInfo& info) {
    struct ucred credentials;
    socklen_t length = sizeof credentials;
    int fd = event_pool_socket(pool_, Id(info));
    if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) < 0) return Number(-1);
    return Number(static_cast<int>(credentials.uid));
  }

  void NoteRead(const Napi::CallbackInfo& info) {
    auto header = info[1].As<Napi::Uint8Array>();
    event_pool_sent(pool_, Id(info), header.Data(), header.ByteLength());
  }

  void Pause(const Napi::CallbackInfo& info) { event_pool_pause(pool_, Id(info), info[1].As<Napi::Boolean>().Value() ? 1 : 0); }

  // close(id) → the page that a half-received record held, or -1; or -2: a thread works for it still, and EVENT_RELEASED tells when it doesn't
  Napi::Value Close(const Napi::CallbackInfo& info) {
    int32_t page = event_pool_held_page(pool_, Id(info));
    return Number(event_pool_close(pool_, Id(info)) ? -2 : page);
  }

  // setThreads(count): besides this one → how many there are now, or -errno
  Napi::Value SetThreads(const Napi::CallbackInfo& info) { return Number(event_pool_set_threads(pool_, info[0].As<Napi::Number>().Int32Value())); }

  Napi::Value LocalName(const Napi::CallbackInfo& info) { return Name(info, getsockname); }
  Napi::Value PeerName(const Napi::CallbackInfo& info) { return Name(info, getpeername); }

  Napi::Value Name(const Napi::CallbackInfo& info, int (*ask)(int, sockaddr*, socklen_t*)) {
    sockaddr_storage address;
    memset(&address, 0, sizeof address);
    socklen_t length = sizeof address;
    int fd = event_pool_socket(pool_, Id(info));
    if (fd < 0 || ask(fd, reinterpret_cast<sockaddr*>(&address), &length) < 0) return Napi::String::New(env_, "");
    return Napi::String::New(env_, FormatAddress(address));
  }

  void Ref(const Napi::CallbackInfo&) { uv_ref(Waiting()); }
  void Unref(const Napi::CallbackInfo&) { uv_unref(Waiting()); }
  uv_handle_t* Waiting() const { return turn_ ? reinterpret_cast<uv_handle_t*>(turn_) : reinterpret_cast<uv_handle_t*>(poll_); }

  // On the watching thread.
  static void AnswerPings(void* context) { event_pool_answer_pings(static_cast<EventPool*>(context)->pool_); }

  static int Id(const Napi::CallbackInfo& info) { return info[0].As<Napi::Number>().Int32Value(); }
  Napi::Value Number(int value) { return Napi::Number::New(env_, value); }

  Napi::Env env_;
  Napi::AsyncContext context_;
  Napi::FunctionReference on_batch_, after_batch_, alloc_page_;
  Napi::Reference<Napi::Int32Array> page_index_ref_;
  event_pool* pool_ = nullptr;
  struct stall_guard* guard_ = nullptr;
  void* turns_ = nullptr;
  uv_loop_t* loop_ = nullptr;
  uv_poll_t* poll_ = nullptr;
  uv_prepare_t* turn_ = nullptr;
  uv_idle_t* restless_ = nullptr;
  bool loop_ready_ = false;
  Napi::Reference<Napi::Int32Array> events_;
  Slab slab_;
  std::unordered_map<int, std::unique_ptr<Watched>> watched_;
  std::vector<PoolDevice*> ready_;
};

}  // namespace

PoolDevices* PoolOf(const Napi::Value& event_pool) { return EventPool::Unwrap(event_pool.As<Napi::Object>()); }

void BindEventPool(Napi::Env env, Napi::Object exports) { exports.Set("EventPool", EventPool::Define(env)); }
