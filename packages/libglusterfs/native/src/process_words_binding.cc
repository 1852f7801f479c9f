// cmdlineWithout(index): 0, or an errno.
#include <napi.h>

#include "bindings.h"
#include "process_words.h"

static Napi::Value CmdlineWithout(const Napi::CallbackInfo& info) {
  if (!info[0].IsNumber()) {
    Napi::TypeError::New(info.Env(), "the number of a word is needed").ThrowAsJavaScriptException();
    return info.Env().Undefined();
  }
  return Napi::Number::New(info.Env(), process_words_without(info[0].As<Napi::Number>().Uint32Value()));
}

void BindProcessWords(Napi::Env env, Napi::Object exports) { exports.Set("cmdlineWithout", Napi::Function::New<CmdlineWithout>(env, "cmdlineWithout")); }
