#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "container/config.h"

/// Health checks as Docker has them: when a probe is due and what its result means. Pure; the engine runs the probes.
/// Spec: docker-engine-api-v1.51.yaml, HealthConfig and Health.
namespace berth::container {

enum class HealthStatus : std::uint8_t { starting, healthy, unhealthy };
std::string_view to_string(HealthStatus status);

/// One run of the probe. Times are nanoseconds since the epoch.
struct ProbeResult {
  std::int64_t start = 0, end = 0;
  std::int32_t exit_code = 0;  ///< -1: it could not be started, or took too long
  std::string output;
  static void describe(auto& self, auto&& field) {
    field("start", self.start);
    field("end", self.end);
    field("exit_code", self.exit_code);
    field("output", self.output);
  }
};

/// What is known of a container's health. A container without a probe has none.
struct Health {
  HealthStatus status = HealthStatus::starting;
  std::int64_t failing_streak = 0;
  std::vector<ProbeResult> log;  ///< the last kKeptResults, oldest first
  static void describe(auto& self, auto&& field) {
    field("status", self.status);
    field("failing_streak", self.failing_streak);
    field("log", self.log);
  }
};

constexpr std::size_t kKeptResults = 5;
constexpr std::size_t kKeptOutput = 4096;  ///< bytes of each probe; what is left out is shown by "..."

/// A container's health check with all defaults filled in.
struct HealthPlan {
  std::vector<std::string> command;  ///< empty for ["CMD"] alone, which can be asked for but not run
  std::chrono::nanoseconds interval{}, timeout{}, start_period{}, start_interval{};
  std::int64_t retries = 0;
};

/// nullopt when there is nothing to probe: no health check, NONE, or a kind that Docker ignores too.
std::optional<HealthPlan> health_plan(const Config& config);

/// From the end of the last probe (or the start) to the next one. `uptime`: how long the container has been running.
std::chrono::nanoseconds time_to_next_probe(const HealthPlan& plan, const Health& health,
                                            std::chrono::nanoseconds uptime);

/// A new run: "starting", with the results of the runs before it still to be seen.
void begin_health(std::optional<Health>& health);
/// Nobody looks any more (the container has ended or is paused). Docker says "unhealthy" then, and clients know it.
void suspend_health(std::optional<Health>& health);
/// Takes a result in; says whether the status has changed. A failure within the start period is not counted as long as
/// the container has never been healthy. `started_at`: of the container.
bool note_result(Health& health, const HealthPlan& plan, ProbeResult result, std::int64_t started_at);

/// Text of a probe that was killed after its timeout: "Health check exceeded timeout (1.5s): <what it had said>".
std::string timeout_text(std::chrono::nanoseconds timeout, std::string_view output);

/// HostConfig.HealthcheckOnFailureAction, which is Berth's own: none, kill, restart, stop; "" is none. Throws invalid.
void check_health_action(const std::string& action, bool has_probe);

}  // namespace berth::container
