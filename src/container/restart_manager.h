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
  /// manually_stopped   somebody has stopped or signalled it since its start: unless-stopped heeds it. (A stop calls
  ///                    every policy off, and doesn't come here.)
  /// restarts           how often the policy has started it since the user did (on-failure's limit counts them)
  std::optional<std::chrono::milliseconds> next_start(const RestartPolicy& policy, int exit_code, bool manually_stopped,
                                                      std::int64_t restarts, std::chrono::nanoseconds ran_for);
  /// The user has started it: the delay begins anew.
  void reset() { delay_ = {}; }

 private:
  std::chrono::milliseconds delay_{};
};

/// Whether the policy wants a start after this end; without a look at the back-off also what decides when the daemon
/// starts. As dockerd does it: always and on-failure don't ask who ended the container.
bool wants_restart(const RestartPolicy& policy, int exit_code, bool manually_stopped, std::int64_t restarts);

}  // namespace berth::container
