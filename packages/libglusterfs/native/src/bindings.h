// What addon.cc calls: one function a subject, defined in that subject's *_binding.cc.
#pragma once
#include <napi.h>

void InitSyscalls(Napi::Env env, Napi::Object exports);
void BindEventPool(Napi::Env env, Napi::Object exports);
void BindIobufArena(Napi::Env env, Napi::Object exports);
void BindSpareMemory(Napi::Env env, Napi::Object exports);
void BindFuse(Napi::Env env, Napi::Object exports);
void BindReedSolomon(Napi::Env env, Napi::Object exports);
void BindProcessWords(Napi::Env env, Napi::Object exports);

struct stall_guard;
// Watches the system calls that this environment's thread makes (syscalls_binding.cc): `rescue` is called from another thread while one
// of them lasts. NULL when no thread could be started.
struct stall_guard* WatchStalls(napi_env env, void (*rescue)(void* context), void* context);

// Changes of the disk, and looks at it, that wait for their turn (syscalls_binding.cc). NULL when this environment has none.
void* TurnsOf(napi_env env);
// Makes them, if there are any, outside of all callback scopes; who calls opens one afterwards, for the promise reactions. Whether there were any.
bool TakeTurn(void* turns);
// Heard when another thread begins to stand in for this one: promise reactions, and what is to be sent, have waited until then.
void OnStandIn(void* turns, void (*hear)(void* context), void* context);
