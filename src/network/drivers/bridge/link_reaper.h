#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

namespace berth::network {

/// Deletes veths whose namespace outlives their container (another container joined it). Usually the namespace ends
/// with the container and takes the veth along, off everybody's path; so this looks only some seconds later. The
/// thread starts with the first link.
class LinkReaper {
 public:
  /// `remove` deletes a link by its name if it is still there; called on the reaper's thread.
  explicit LinkReaper(std::function<void(const std::string&)> remove) : remove_(std::move(remove)) {}
  ~LinkReaper();

  void remove_later(std::string link);

 private:
  void run(const std::stop_token& stop);
  struct Due {
    std::chrono::steady_clock::time_point when;
    std::string link;
  };

  const std::function<void(const std::string&)> remove_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Due> queue_;
  std::jthread thread_;
};

}  // namespace berth::network
