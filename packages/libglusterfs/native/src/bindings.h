// What addon.cc calls: one function a subject, defined in that subject's *_binding.cc.
#pragma once
#include <napi.h>

void InitSyscalls(Napi::Env env, Napi::Object exports);
void BindEventPool(Napi::Env env, Napi::Object exports);
void BindIobufArena(Napi::Env env, Napi::Object exports);
void BindFuse(Napi::Env env, Napi::Object exports);
void BindReedSolomon(Napi::Env env, Napi::Object exports);
