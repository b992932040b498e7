#include "apps/berthd/idle_memory.h"

#include "base/sys/memory.h"

namespace berth {

namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr milliseconds kWindow{50};        ///< quiet is when in so long a time
constexpr milliseconds kQuiet{1};          ///< less than this was worked
constexpr milliseconds kHeavy{10};         ///< more than this at a stretch leaves much behind
constexpr milliseconds kLight{3};          ///< and less than this, nothing
constexpr milliseconds kPause{700};        ///< after light work
constexpr std::chrono::seconds kLook{30};  ///< containers that end or restart work without a client, too

}  // namespace

Task<void> IdleMemory::wait_for_quiet() {
  for (microseconds before = sys::cpu_time();;) {
    co_await async::sleep_for(kWindow);
    const microseconds now = sys::cpu_time();
    if (now - before < kQuiet) co_return;
    before = now;
  }
}

Task<void> IdleMemory::run() {
  microseconds stretch{0}, given_back{0};  // when they began, in the processor's time: the start was work, too
  for (;;) {
    co_await wait_for_quiet();
    const bool heavy = sys::cpu_time() - stretch > kHeavy;
    stretch = sys::cpu_time();
    if (!heavy && co_await asked_.wait_for(kPause)) continue;
    if (sys::cpu_time() - given_back > kLight) {
      sys::give_memory_back();
      given_back = stretch = sys::cpu_time();
    }
    while (!co_await asked_.wait_for(kLook) && sys::cpu_time() - given_back < kLight) {
    }
  }
}

}  // namespace berth
