// trimMalloc(); dropPages(ArrayBuffer of mapArena): what is in it is lost.
#include <napi.h>

#include "bindings.h"
#include "spare_memory.h"

static void TrimMalloc(const Napi::CallbackInfo&) { spare_memory_trim_malloc(); }

static void DropPages(const Napi::CallbackInfo& info) {
  if (!info[0].IsArrayBuffer()) {
    Napi::TypeError::New(info.Env(), "an ArrayBuffer of mapArena is needed").ThrowAsJavaScriptException();
    return;
  }
  Napi::ArrayBuffer buffer = info[0].As<Napi::ArrayBuffer>();
  spare_memory_drop(buffer.Data(), buffer.ByteLength());
}

void BindSpareMemory(Napi::Env env, Napi::Object exports) {
  exports.Set("trimMalloc", Napi::Function::New<TrimMalloc>(env, "trimMalloc"));
  exports.Set("dropPages", Napi::Function::New<DropPages>(env, "dropPages"));
}
