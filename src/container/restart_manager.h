#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "container/config.h"

namespace berth::container {

/// Decides whether and when a container that has ended is started again. Docker's rules: first after 100 ms, then
/// twice as long each time up to a minute, back to 100 ms once it has run for 10 s.
class RestartManager {
 public:
  /// One run has ended. Returns the time to wait before the next start, or nullopt when there is none.
  ///
  /// manually_stopped   stop or kill ended it: no policy starts it again until the user does
  /// restarts           how often the policy has started it since the user did (on-failure's limit counts them)
  std::optional<std::chrono::milliseconds> next_start(const RestartPolicy& policy, int exit_code, bool manually_stopped,
                                                      std::int64_t restarts, std::chrono::nanoseconds ran_for);
  /// The user has started it: the delay begins anew.
  void reset() { delay_ = {}; }

 private:
  std::chrono::milliseconds delay_{};
};

/// Whether a container that was not running is started when the daemon starts. on-failure never is (Docker's manual),
/// unless-stopped only when nobody stopped it.
bool starts_with_daemon(const RestartPolicy& policy, bool manually_stopped);

}  // namespace berth::container
