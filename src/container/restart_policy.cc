#include "container/restart_policy.h"

#include "base/core/error.h"
#include "base/core/text.h"

namespace berth::container {

void check_restart_policy(const RestartPolicy& policy) {
  const std::string& name = policy.name;
  const std::int64_t retries = policy.maximum_retry_count;
  if (name.empty()) return;  // clients older than API 1.44 send "" with any count
  if (name == "on-failure") {
    if (retries < 0) throw invalid("invalid restart policy: maximum retry count cannot be negative");
  } else if (name == "no" || name == "always" || name == "unless-stopped") {
    if (retries == 0) return;
    throw invalid(cat("invalid restart policy: maximum retry count can only be used with 'on-failure'",
                      retries < 0 ? " and cannot be negative" : ""));
  } else {
    throw invalid(cat("invalid restart policy: unknown policy '", name,
                      "'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'"));
  }
}

}  // namespace berth::container
