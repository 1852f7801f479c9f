// Reed-Solomon for JavaScript: one call a buffer; every length is checked here (src/reed-solomon/native-codec.ts).
#include <napi.h>

#include <string>

#include "bindings.h"
#include "rs.h"

namespace {

const rs_codec *Find(const Napi::Value &level) {
  if (!level.IsString()) return nullptr;
  std::string name = level.As<Napi::String>();
  const rs_codec *codecs[RS_CODECS_MAX];
  unsigned count = rs_codecs(codecs);
  for (unsigned i = 0; i < count; i++)
    if (name == codecs[i]->name) return codecs[i];
  return nullptr;
}

bool IsBytes(const Napi::Value &value) {
  return value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == napi_uint8_array;
}

bool Fail(Napi::Env env, const char *text) {
  Napi::RangeError::New(env, text).ThrowAsJavaScriptException();
  return false;
}

// The common part of both calls: k, whole stripes, `count` fragments of the right length.
bool Check(Napi::Env env, const Napi::Value &kValue, const Napi::Value &data, const Napi::Value &list, uint32_t count, uint8_t **fragments, unsigned *k, size_t *stripes) {
  if (!kValue.IsNumber() || !IsBytes(data) || !list.IsArray()) return Fail(env, "rs: wrong arguments");
  int64_t columns = kValue.As<Napi::Number>().Int64Value();
  if (columns < 1 || columns > RS_K_MAX) return Fail(env, "rs: k is out of range");
  size_t length = data.As<Napi::Uint8Array>().ByteLength();
  if (length % (static_cast<size_t>(columns) * RS_CHUNK) != 0) return Fail(env, "rs: no whole stripes");
  Napi::Array array = list.As<Napi::Array>();
  if (count > RS_BRICKS_MAX || array.Length() != count) return Fail(env, "rs: wrong number of fragments");
  for (uint32_t i = 0; i < count; i++) {
    Napi::Value fragment = array.Get(i);
    if (!IsBytes(fragment) || fragment.As<Napi::Uint8Array>().ByteLength() != length / columns) return Fail(env, "rs: a fragment of the wrong length");
    fragments[i] = fragment.As<Napi::Uint8Array>().Data();
  }
  *k = static_cast<unsigned>(columns);
  *stripes = length / (columns * RS_CHUNK);
  return true;
}

Napi::Value Levels(const Napi::CallbackInfo &info) {
  const rs_codec *codecs[RS_CODECS_MAX];
  unsigned count = rs_codecs(codecs);
  Napi::Array names = Napi::Array::New(info.Env(), count);
  for (unsigned i = 0; i < count; i++) names.Set(i, Napi::String::New(info.Env(), codecs[i]->name));
  return names;
}

void Encode(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  const rs_codec *codec = Find(info[0]);
  if (!codec || !info[2].IsTypedArray() || info[2].As<Napi::TypedArray>().TypedArrayType() != napi_int32_array) {
    Fail(env, "rs: wrong arguments");
    return;
  }
  Napi::Int32Array bricks = info[2].As<Napi::Int32Array>();
  uint8_t *fragments[RS_BRICKS_MAX];
  unsigned k;
  size_t stripes;
  uint32_t count = static_cast<uint32_t>(bricks.ElementLength());
  if (!Check(env, info[1], info[3], info[4], count, fragments, &k, &stripes)) return;
  for (uint32_t i = 0; i < count; i++) {
    if (bricks[i] < 0 || bricks[i] >= RS_BRICKS_MAX) {
      Fail(env, "rs: a brick is out of range");
      return;
    }
  }
  codec->encode(k, count, bricks.Data(), info[3].As<Napi::Uint8Array>().Data(), stripes, fragments);
}

void Decode(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  const rs_codec *codec = Find(info[0]);
  if (!codec || !IsBytes(info[2]) || !info[3].IsArray()) {
    Fail(env, "rs: wrong arguments");
    return;
  }
  uint8_t *fragments[RS_BRICKS_MAX];
  unsigned k;
  size_t stripes;
  uint32_t count = info[3].As<Napi::Array>().Length();
  if (!Check(env, info[1], info[4], info[3], count, fragments, &k, &stripes)) return;
  Napi::Uint8Array matrix = info[2].As<Napi::Uint8Array>();
  if (count != k || matrix.ByteLength() != static_cast<size_t>(k) * k) {
    Fail(env, "rs: the matrix is not k by k");
    return;
  }
  codec->decode(k, matrix.Data(), fragments, stripes, info[4].As<Napi::Uint8Array>().Data());
}

}  // namespace

void BindReedSolomon(Napi::Env env, Napi::Object exports) {
  exports.Set("rsLevels", Napi::Function::New(env, Levels));
  exports.Set("rsEncode", Napi::Function::New(env, Encode));
  exports.Set("rsDecode", Napi::Function::New(env, Decode));
}
