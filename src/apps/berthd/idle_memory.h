#pragma once

#include <chrono>

#include "base/async/async.h"

namespace berth {

/// Gives memory back to the kernel when work has ended: the heap's free pages, and the program's own pages, which are
/// mapped in large steps though little of them is needed. Where the processor's time shows that the work was heavy
/// (a start, an image), that is done at once; else only when nobody has asked for anything for a while, so that a
/// client that comes once a moment never meets a cold daemon. While nothing happens, nothing wakes up.
class IdleMemory {
 public:
  explicit IdleMemory(EventLoop& loop) : asked_(loop) {}

  /// A client has been answered.
  void answered() { asked_.notify_all(); }
  /// Runs until it is cancelled.
  Task<void> run();

 private:
  Task<void> wait_for_quiet();

  async::Signal asked_;
};

}  // namespace berth
