#include "container/health.h"

#include <algorithm>
#include <array>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/core/time.h"

namespace berth::container {

using namespace std::chrono_literals;
using std::chrono::nanoseconds;

namespace {

constexpr nanoseconds kDefaultInterval = 30s, kDefaultTimeout = 30s, kDefaultStartPeriod = 0s,
                      kDefaultStartInterval = 5s;
constexpr std::int64_t kDefaultRetries = 3;

nanoseconds or_default(std::int64_t configured, nanoseconds otherwise) {
  return configured == 0 ? otherwise : nanoseconds{configured};
}

}  // namespace

std::string_view to_string(HealthStatus status) {
  switch (status) {
    case HealthStatus::starting: return "starting";
    case HealthStatus::healthy: return "healthy";
    case HealthStatus::unhealthy: break;
  }
  return "unhealthy";
}

std::optional<HealthPlan> health_plan(const Config& config) {
  if (!config.healthcheck || config.healthcheck->test.empty()) return std::nullopt;
  const HealthConfig& asked = *config.healthcheck;
  const std::string& kind = asked.test.front();
  if (kind != "CMD" && kind != "CMD-SHELL") return std::nullopt;
  HealthPlan plan;
  if (kind == "CMD-SHELL") {
    plan.command = config.shell.empty() ? std::vector<std::string>{"/bin/sh", "-c"} : config.shell.items;
  }
  plan.command.insert(plan.command.end(), asked.test.begin() + 1, asked.test.end());
  plan.interval = or_default(asked.interval, kDefaultInterval);
  plan.timeout = or_default(asked.timeout, kDefaultTimeout);
  plan.start_period = or_default(asked.start_period, kDefaultStartPeriod);
  plan.start_interval = or_default(asked.start_interval, kDefaultStartInterval);
  plan.retries = asked.retries <= 0 ? kDefaultRetries : asked.retries;
  return plan;
}

nanoseconds time_to_next_probe(const HealthPlan& plan, const Health& health, nanoseconds uptime) {
  const bool may_be_slow = uptime < plan.start_period && health.status == HealthStatus::starting;
  return may_be_slow ? plan.start_interval : plan.interval;
}

void begin_health(std::optional<Health>& health) {
  if (!health) health.emplace();
  health->status = HealthStatus::starting;
  health->failing_streak = 0;
}

void suspend_health(std::optional<Health>& health) {
  if (health) health->status = HealthStatus::unhealthy;
}

bool note_result(Health& health, const HealthPlan& plan, ProbeResult result, std::int64_t started_at) {
  const HealthStatus before = health.status;
  const bool excused =
      health.status == HealthStatus::starting && nanoseconds{result.start - started_at} < plan.start_period;
  if (result.exit_code == 0) {
    health.failing_streak = 0;
    health.status = HealthStatus::healthy;
  } else if (!excused && ++health.failing_streak >= plan.retries) {
    health.status = HealthStatus::unhealthy;
  }
  if (health.log.size() >= kKeptResults) {
    health.log.erase(health.log.begin(), health.log.end() - static_cast<std::ptrdiff_t>(kKeptResults - 1));
  }
  health.log.push_back(std::move(result));
  return health.status != before;
}

std::string timeout_text(nanoseconds timeout, std::string_view output) {
  std::string text = cat("Health check exceeded timeout (", format_go_duration(timeout), ")");
  if (!output.empty()) text += cat(": ", output);
  return text;
}

void check_health_action(const std::string& action, bool has_probe) {
  constexpr std::array<std::string_view, 5> kKnown{"", "none", "kill", "restart", "stop"};
  if (std::ranges::find(kKnown, action) == kKnown.end()) {
    throw invalid(cat("invalid on-failure action ", quoted(action),
                      " for health check: supported actions are none,kill,restart,stop"));
  }
  if (!has_probe && !action.empty() && action != "none") {
    throw invalid(cat("cannot set on-failure action to ", action, " without a health check"));
  }
}

}  // namespace berth::container
