// mapArena(size) → ArrayBuffer over page-aligned memory, unmapped when it is collected.
// shareArena(size) → { memory, descriptor }, the same for other processes too, or undefined.
// borrowArena(descriptor, size) → ArrayBuffer over another process's memory, or -errno. The descriptor is closed.
#include <napi.h>

#include <cstdint>

#include "bindings.h"
#include "iobuf_arena.h"

static Napi::ArrayBuffer Wrap(Napi::Env env, void* memory, size_t size) {
  return Napi::ArrayBuffer::New(env, memory, size, [size](Napi::Env, void* data) { iobuf_arena_unmap(data, size); });
}

static Napi::Value ShareArena(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto size = static_cast<size_t>(info[0].As<Napi::Number>().Int64Value());
  int descriptor = -1;
  void* memory = iobuf_arena_share(size, &descriptor);
  if (!memory) return env.Undefined();
  Napi::Object shared = Napi::Object::New(env);
  shared.Set("memory", Wrap(env, memory, size));
  shared.Set("descriptor", Napi::Number::New(env, descriptor));
  return shared;
}

static Napi::Value BorrowArena(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto size = static_cast<size_t>(info[1].As<Napi::Number>().Int64Value());
  int error = 0;
  void* memory = iobuf_arena_borrow(info[0].As<Napi::Number>().Int32Value(), size, &error);
  if (!memory) return Napi::Number::New(env, -error);
  return Wrap(env, memory, size);
}

static Napi::Value MapArena(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int64_t size = info[0].IsNumber() ? info[0].As<Napi::Number>().Int64Value() : 0;
  if (size <= 0 || size > (int64_t{1} << 31)) {
    Napi::RangeError::New(env, "an arena has 1 byte to 2 GiB").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  void* memory = iobuf_arena_map(static_cast<size_t>(size));
  if (!memory) {
    Napi::Error::New(env, "ENOMEM: no memory for an arena").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  return Wrap(env, memory, static_cast<size_t>(size));
}

void BindIobufArena(Napi::Env env, Napi::Object exports) {
  exports.Set("mapArena", Napi::Function::New<MapArena>(env, "mapArena"));
  exports.Set("shareArena", Napi::Function::New<ShareArena>(env, "shareArena"));
  exports.Set("borrowArena", Napi::Function::New<BorrowArena>(env, "borrowArena"));
}
