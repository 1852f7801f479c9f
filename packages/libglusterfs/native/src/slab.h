// Memory for many small messages on their way into JavaScript: an ArrayBuffer for each costs more than to fill it. It is kept as long
// as one of them is, so it is small.
#pragma once
#include <napi.h>
#include <stdint.h>
#include <string.h>

class Slab {
 public:
  // Messages longer than this had better have memory of their own.
  static constexpr size_t kShareMax = 4096;

  // A copy of `bytes`, at a multiple of 8: the ArrayBuffer, and where in it.
  Napi::ArrayBuffer Put(Napi::Env env, const void* bytes, size_t length, size_t* offset) {
    Napi::ArrayBuffer buffer = Take(env, length, offset);
    if (length) memcpy(static_cast<uint8_t*>(buffer.Data()) + *offset, bytes, length);
    return buffer;
  }

  // Room for `length` bytes, at a multiple of 8.
  Napi::ArrayBuffer Take(Napi::Env env, size_t length, size_t* offset) {
    if (length > kShareMax) {
      *offset = 0;
      return Napi::ArrayBuffer::New(env, length);
    }
    if (memory_.IsEmpty() || used_ + length > kSize) {
      memory_ = Napi::Persistent(Napi::ArrayBuffer::New(env, kSize));
      used_ = 0;
    }
    *offset = used_;
    used_ += (length + 7) & ~static_cast<size_t>(7);
    return memory_.Value();
  }

 private:
  static constexpr size_t kSize = 16384;
  Napi::Reference<Napi::ArrayBuffer> memory_;
  size_t used_ = 0;
};
