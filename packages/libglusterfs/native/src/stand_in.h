// While a system call of the loop's thread doesn't come back, another thread goes on with the loop: with libuv's, and with JavaScript, whose lock
// (v8::Locker) the first one has given up for that call. Should that one's call not come back either, a third goes on, and so forth. There is always just
// one of them in JavaScript. They end in the contrary order, since the stacks of libuv, V8 and Node-API are interwoven: who comes back waits until all
// who stand in for it, and for each other, have ended the callbacks they are in, and with them their calls.
#pragma once
#include <node_api.h>
#include <stddef.h>
#include <uv.h>

// So many at most. The last has nobody to stand in for it: it should make no call that may wait.
#define STAND_IN_MAX 8

struct stand_in;

struct stand_in_events {
  // On the other thread, before the loop's first turn. Depth 1 stands in for the loop's own thread, 2 for that one.
  void (*begin)(void* context, int depth);
  void (*end)(void* context, int depth);    // and after its last
  void (*wake)(void* context);              // from any thread: has the loop's turn end soon
  void* context;
};

// From the loop's thread. NULL when this isn't the Node.js that the addon was built for, or not one that it was tested with.
struct stand_in* stand_in_new(napi_env env, uv_loop_t* loop, const struct stand_in_events* events);
// From the loop's thread, when nobody asks any more.
void stand_in_free(struct stand_in* stand_in);
// From any thread: the call that is being made takes long.
void stand_in_ask(struct stand_in* stand_in);

// Around a call that another thread may make use of. Nothing of JavaScript may be touched meanwhile, and nothing of the loop may be under way but the
// callback that makes the call: no promise reaction, no batch that is half handled.
class Away {
 public:
  explicit Away(struct stand_in* stand_in);
  ~Away();
  Away(const Away&) = delete;
  Away& operator=(const Away&) = delete;

 private:
  struct stand_in* stand_in_;
  int depth_ = 0;
  alignas(16) unsigned char unlocker_[32];
};
