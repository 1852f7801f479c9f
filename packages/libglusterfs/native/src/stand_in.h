// While a system call of the loop's thread doesn't come back, another thread goes on with the loop: with libuv's, and with JavaScript, whose lock
// (v8::Locker) the first one has given up for that call. There is always just one of them in JavaScript; the one that comes back waits until the
// other has ended the callback it is in.
#pragma once
#include <node_api.h>
#include <stddef.h>
#include <uv.h>

struct stand_in;

struct stand_in_events {
  void (*begin)(void* context);  // on the other thread, before the loop's first turn
  void (*end)(void* context);    // and after its last
  void (*wake)(void* context);   // from the first thread: has the loop's turn end soon
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
  alignas(16) unsigned char unlocker_[32];
};
