#include "network/drivers/bridge/link_reaper.h"

namespace berth::network {

namespace {
constexpr std::chrono::seconds kGrace{5};
}

LinkReaper::~LinkReaper() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

void LinkReaper::remove_later(std::string link) {
  const std::lock_guard lock{mutex_};
  queue_.push_back({std::chrono::steady_clock::now() + kGrace, std::move(link)});
  if (!thread_.joinable()) thread_ = std::jthread{[this](const std::stop_token& stop) { run(stop); }};
  changed_.notify_one();
}

void LinkReaper::run(const std::stop_token& stop) {
  std::unique_lock lock{mutex_};
  while (!stop.stop_requested()) {
    if (queue_.empty()) {
      changed_.wait(lock, stop, [&] { return !queue_.empty(); });
      continue;
    }
    const Due due = queue_.front();
    changed_.wait_until(lock, stop, due.when, [] { return false; });
    if (stop.stop_requested()) return;
    queue_.pop_front();
    lock.unlock();
    remove_(due.link);
    lock.lock();
  }
}

}  // namespace berth::network
