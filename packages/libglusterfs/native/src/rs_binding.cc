// Reed-Solomon for JavaScript: one call a buffer; every length is checked here (src/reed-solomon/native-codec.ts).
#include <napi.h>

#include "bindings.h"
#include "rs.h"

namespace {

// Calls are short, a few microseconds: they go to Node-API itself, which takes one call where its C++ wrapper takes four.
constexpr size_t kArgumentsMax = 4 + RS_BRICKS_MAX;

struct Bytes {
  uint8_t *data;
  size_t length;
};

napi_value Fail(napi_env env, const char *text) {
  napi_throw_range_error(env, nullptr, text);
  return nullptr;
}

bool GetArray(napi_env env, napi_value value, napi_typedarray_type wanted, size_t *length, void **data) {
  napi_typedarray_type type;
  return napi_get_typedarray_info(env, value, &type, length, data, nullptr, nullptr) == napi_ok && type == wanted;
}

bool GetBytes(napi_env env, napi_value value, Bytes *bytes) {
  void *data = nullptr;
  if (!GetArray(env, value, napi_uint8_array, &bytes->length, &data)) return false;
  bytes->data = static_cast<uint8_t *>(data);
  return true;
}

// What both calls have in common: (level, k, …, data, fragment, fragment …).
struct Call {
  const rs_codec *codec;
  unsigned k, count;
  size_t stripes;
  napi_value third;
  uint8_t *data;
  uint8_t *fragments[RS_BRICKS_MAX];
};

// Throws and returns false unless k is in range and all lengths are whole stripes that fit each other.
bool Read(napi_env env, napi_callback_info info, Call *call) {
  size_t argc = kArgumentsMax;
  napi_value argv[kArgumentsMax];
  uint32_t level, k;
  Bytes data;
  if (napi_get_cb_info(env, info, &argc, argv, nullptr, nullptr) != napi_ok || argc < 4 || argc > kArgumentsMax ||
      napi_get_value_uint32(env, argv[0], &level) != napi_ok || napi_get_value_uint32(env, argv[1], &k) != napi_ok || !GetBytes(env, argv[3], &data))
    return Fail(env, "rs: wrong arguments") != nullptr;
  const rs_codec *codecs[RS_CODECS_MAX];
  if (level >= rs_codecs(codecs)) return Fail(env, "rs: no such level") != nullptr;
  if (k < 1 || k > RS_K_MAX) return Fail(env, "rs: k is out of range") != nullptr;
  size_t stripe = static_cast<size_t>(k) * RS_CHUNK;
  if (data.length % stripe != 0) return Fail(env, "rs: no whole stripes") != nullptr;
  call->codec = codecs[level];
  call->k = k;
  call->stripes = data.length / stripe;
  call->third = argv[2];
  call->data = data.data;
  call->count = static_cast<unsigned>(argc - 4);
  for (unsigned i = 0; i < call->count; i++) {
    Bytes fragment;
    if (!GetBytes(env, argv[4 + i], &fragment) || fragment.length != call->stripes * RS_CHUNK) return Fail(env, "rs: a fragment of the wrong length") != nullptr;
    call->fragments[i] = fragment.data;
  }
  return true;
}

napi_value Encode(napi_env env, napi_callback_info info) {
  Call call;
  if (!Read(env, info, &call)) return nullptr;
  size_t count;
  void *data;
  if (!GetArray(env, call.third, napi_int32_array, &count, &data) || count != call.count) return Fail(env, "rs: wrong number of bricks");
  const int32_t *bricks = static_cast<const int32_t *>(data);
  for (unsigned i = 0; i < call.count; i++)
    if (bricks[i] < 0 || bricks[i] >= RS_BRICKS_MAX) return Fail(env, "rs: a brick is out of range");
  if (call.stripes > 0 && call.count > 0) call.codec->encode(call.k, call.count, bricks, call.data, call.stripes, call.fragments);
  return nullptr;
}

napi_value Decode(napi_env env, napi_callback_info info) {
  Call call;
  if (!Read(env, info, &call)) return nullptr;
  Bytes matrix;
  if (!GetBytes(env, call.third, &matrix) || call.count != call.k || matrix.length != static_cast<size_t>(call.k) * call.k) return Fail(env, "rs: the matrix is not k by k");
  if (call.stripes > 0) call.codec->decode(call.k, matrix.data, call.fragments, call.stripes, call.data);
  return nullptr;
}

Napi::Value Levels(const Napi::CallbackInfo &info) {
  const rs_codec *codecs[RS_CODECS_MAX];
  unsigned count = rs_codecs(codecs);
  Napi::Array names = Napi::Array::New(info.Env(), count);
  for (unsigned i = 0; i < count; i++) names.Set(i, Napi::String::New(info.Env(), codecs[i]->name));
  return names;
}

void Bind(napi_env env, napi_value exports, const char *name, napi_callback function) {
  napi_value value;
  if (napi_create_function(env, name, NAPI_AUTO_LENGTH, function, nullptr, &value) == napi_ok) napi_set_named_property(env, exports, name, value);
}

}  // namespace

void BindReedSolomon(Napi::Env env, Napi::Object exports) {
  exports.Set("rsLevels", Napi::Function::New(env, Levels));
  Bind(env, exports, "rsEncode", Encode);
  Bind(env, exports, "rsDecode", Decode);
}
