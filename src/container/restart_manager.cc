#include "container/restart_manager.h"

#include <algorithm>

namespace berth::container {

using namespace std::chrono_literals;

std::optional<std::chrono::milliseconds> RestartManager::next_start(const RestartPolicy& policy, int exit_code,
                                                                    bool manually_stopped, std::int64_t restarts,
                                                                    std::chrono::nanoseconds ran_for) {
  if (manually_stopped) return std::nullopt;
  const bool wanted = policy.name == "always" || policy.name == "unless-stopped" ||
                      (policy.name == "on-failure" && exit_code != 0 &&
                       (policy.maximum_retry_count <= 0 || restarts < policy.maximum_retry_count));
  if (!wanted) return std::nullopt;
  if (ran_for >= 10s) delay_ = {};
  delay_ = delay_ == 0ms ? 100ms : std::min<std::chrono::milliseconds>(delay_ * 2, 1min);
  return delay_;
}

bool starts_with_daemon(const RestartPolicy& policy, bool manually_stopped) {
  return policy.name == "always" || (policy.name == "unless-stopped" && !manually_stopped);
}

}  // namespace berth::container
