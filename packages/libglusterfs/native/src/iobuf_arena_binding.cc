// mapArena(size) → ArrayBuffer over page-aligned memory, unmapped when it is collected.
#include <napi.h>

#include <cstdint>

#include "bindings.h"
#include "iobuf_arena.h"

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
  return Napi::ArrayBuffer::New(env, memory, static_cast<size_t>(size),
                                [size](Napi::Env, void* data) { iobuf_arena_unmap(data, static_cast<size_t>(size)); });
}

void BindIobufArena(Napi::Env env, Napi::Object exports) { exports.Set("mapArena", Napi::Function::New<MapArena>(env, "mapArena")); }
