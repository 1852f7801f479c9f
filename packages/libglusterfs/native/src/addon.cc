// The addon's entry: each subject registers its functions on `exports`. Add a line here for a new subject.
#include <napi.h>

#include "bindings.h"

static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  // Raised, with ABI in src/platform/native.ts, when what the addon exports or hands over changes.
  exports.Set("abi", Napi::Number::New(env, 6));
  InitSyscalls(env, exports);
  BindEventPool(env, exports);
  BindIobufArena(env, exports);
  BindSpareMemory(env, exports);
  BindFuse(env, exports);
  BindReedSolomon(env, exports);
  BindProcessWords(env, exports);
  return exports;
}

NODE_API_MODULE(glusterts_native, Init)
