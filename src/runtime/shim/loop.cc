#include "runtime/shim/loop.h"

#include <sys/epoll.h>
#include <time.h>

#include "base/core/error.h"

namespace berth::runtime::shim {

std::int64_t monotonic_ns() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1'000'000'000 + time.tv_nsec;
}

Loop::Loop() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
  if (!epoll_) throw errno_error("epoll_create1", "");
}

void Loop::add(sys::FdRef fd, std::uint32_t events, Watcher& watcher) {
  epoll_event event{.events = events, .data = {.ptr = &watcher}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd.get(), &event) != 0) throw errno_error("epoll_ctl", "add");
}

void Loop::change(sys::FdRef fd, std::uint32_t events, Watcher& watcher) {
  epoll_event event{.events = events, .data = {.ptr = &watcher}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd.get(), &event) != 0) throw errno_error("epoll_ctl", "change");
}

void Loop::remove(sys::FdRef fd) { ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd.get(), nullptr); }

bool Loop::run_once(int timeout_ms) {
  epoll_event event{};
  const int count = ::epoll_wait(epoll_.get(), &event, 1, timeout_ms);
  if (count < 0 && errno != EINTR) throw errno_error("epoll_wait", "");
  if (count > 0) static_cast<Watcher*>(event.data.ptr)->ready(event.events);
  return count != 0;
}

}  // namespace berth::runtime::shim
