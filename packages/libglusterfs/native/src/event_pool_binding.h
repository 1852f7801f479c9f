// What other devices of the same loop share with the event pool: its epoll set, its wake-up and its one entry into JavaScript.
#pragma once
#include <napi.h>

// A device whose fd lies in the pool's epoll set.
class PoolDevice {
 public:
  virtual ~PoolDevice() = default;
  // Within a drain: reads what is ready, without entering JavaScript.
  virtual void Drain() = 0;
  // After the drain, inside the batch's one callback scope: hands what was read to JavaScript.
  virtual void Deliver() = 0;
};

class PoolDevices {
 public:
  virtual ~PoolDevices() = default;
  // An id ≥ 0, or -errno.
  virtual int Watch(int fd, PoolDevice* device) = 0;
  virtual void PauseDevice(int id, bool paused) = 0;
  // Leaves the fd open. The device is not called again.
  virtual void Unwatch(int id) = 0;
};

// The pool behind a JavaScript EventPool object.
PoolDevices* PoolOf(const Napi::Value& event_pool);
