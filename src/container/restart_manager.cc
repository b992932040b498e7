#include "container/restart_manager.h"

#include <algorithm>

namespace berth::container {

using namespace std::chrono_literals;

std::optional<std::chrono::milliseconds> RestartManager::next_start(const RestartPolicy& policy, int exit_code,
                                                                    bool manually_stopped, std::int64_t restarts,
                                                                    std::chrono::nanoseconds ran_for) {
  if (!wants_restart(policy, exit_code, manually_stopped, restarts)) return std::nullopt;
  if (ran_for >= 10s) delay_ = {};
  delay_ = delay_ == 0ms ? 100ms : std::min<std::chrono::milliseconds>(delay_ * 2, 1min);
  return delay_;
}

bool wants_restart(const RestartPolicy& policy, int exit_code, bool manually_stopped, std::int64_t restarts) {
  if (policy.name == "always") return true;
  if (policy.name == "unless-stopped") return !manually_stopped;
  if (policy.name != "on-failure" || exit_code == 0) return false;
  return policy.maximum_retry_count <= 0 || restarts < policy.maximum_retry_count;
}

}  // namespace berth::container
