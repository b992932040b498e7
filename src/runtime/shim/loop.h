#pragma once

#include <cstdint>

#include "base/sys/fd.h"

namespace berth::runtime::shim {

std::int64_t monotonic_ns();  ///< CLOCK_MONOTONIC

/// Something that waits for a descriptor.
class Watcher {
 public:
  virtual ~Watcher() = default;
  /// `events` are EPOLL*. May delete itself: the loop hands out one event at a time.
  virtual void ready(std::uint32_t events) = 0;
};

/// epoll(7) for one thread.
class Loop {
 public:
  Loop();
  void add(sys::FdRef fd, std::uint32_t events, Watcher& watcher);
  void change(sys::FdRef fd, std::uint32_t events, Watcher& watcher);
  void remove(sys::FdRef fd);
  /// Waits for one event and gives it to its watcher; false when `timeout_ms` (-1: none) passed first.
  bool run_once(int timeout_ms);

 private:
  sys::UniqueFd epoll_;
};

}  // namespace berth::runtime::shim
