#include "container/health.h"

#include <gtest/gtest.h>

#include "base/core/error.h"

namespace berth::container {
namespace {

using namespace std::chrono_literals;
using std::chrono::nanoseconds;
using Strings = std::vector<std::string>;

constexpr std::int64_t kSecond = 1'000'000'000;

Config config_with(Strings test) {
  Config config;
  config.healthcheck.emplace().test = std::move(test);
  return config;
}

ProbeResult result_at(std::int64_t start, int exit_code, std::string output = "") {
  return {.start = start, .end = start + 1, .exit_code = exit_code, .output = std::move(output)};
}

TEST(HealthPlan, FillsInDockersDefaults) {
  const auto plan = health_plan(config_with({"CMD", "curl", "localhost"}));
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->command, (Strings{"curl", "localhost"}));
  EXPECT_EQ(plan->interval, 30s);
  EXPECT_EQ(plan->timeout, 30s);
  EXPECT_EQ(plan->start_period, 0s);
  EXPECT_EQ(plan->start_interval, 5s);
  EXPECT_EQ(plan->retries, 3);
}

TEST(HealthPlan, AShellIsTheImagesOrBinSh) {
  Config config = config_with({"CMD-SHELL", "exit 1"});
  EXPECT_EQ(health_plan(config)->command, (Strings{"/bin/sh", "-c", "exit 1"}));
  config.shell.items = {"/bin/bash", "-ec"};
  EXPECT_EQ(health_plan(config)->command, (Strings{"/bin/bash", "-ec", "exit 1"}));
}

TEST(HealthPlan, SomeAreNone) {
  EXPECT_FALSE(health_plan({}));
  EXPECT_FALSE(health_plan(config_with({})));
  EXPECT_FALSE(health_plan(config_with({"NONE"})));
  EXPECT_FALSE(health_plan(config_with({"PING", "x"})));
  EXPECT_TRUE(health_plan(config_with({"CMD"}))->command.empty());
}

TEST(HealthState, ThreeFailuresInARowMakeItUnhealthy) {
  const HealthPlan plan = *health_plan(config_with({"CMD", "x"}));
  std::optional<Health> health;
  begin_health(health);
  EXPECT_EQ(health->status, HealthStatus::starting);
  EXPECT_FALSE(note_result(*health, plan, result_at(1, 1), 0));
  EXPECT_FALSE(note_result(*health, plan, result_at(2, 7), 0));
  EXPECT_EQ(health->failing_streak, 2);
  EXPECT_TRUE(note_result(*health, plan, result_at(3, -1), 0));
  EXPECT_EQ(health->status, HealthStatus::unhealthy);
  EXPECT_FALSE(note_result(*health, plan, result_at(4, 1), 0));
  EXPECT_EQ(health->failing_streak, 4);
  EXPECT_TRUE(note_result(*health, plan, result_at(5, 0), 0));
  EXPECT_EQ(health->status, HealthStatus::healthy);
  EXPECT_EQ(health->failing_streak, 0);
}

TEST(HealthState, FailuresOfTheStartPeriodDoNotCountBeforeTheFirstSuccess) {
  HealthPlan plan = *health_plan(config_with({"CMD", "x"}));
  plan.start_period = 10s;
  plan.retries = 1;
  std::optional<Health> health;
  begin_health(health);
  const std::int64_t started = 100 * kSecond;
  EXPECT_FALSE(note_result(*health, plan, result_at(started + 9 * kSecond, 1), started));
  EXPECT_EQ(health->failing_streak, 0);
  EXPECT_TRUE(note_result(*health, plan, result_at(started + 10 * kSecond, 1), started));
  EXPECT_EQ(health->status, HealthStatus::unhealthy);
  begin_health(health);
  note_result(*health, plan, result_at(started + 1, 0), started);
  EXPECT_TRUE(note_result(*health, plan, result_at(started + 2, 1), started));  // it was healthy already
}

TEST(HealthState, KeepsFiveResultsAcrossRuns) {
  const HealthPlan plan = *health_plan(config_with({"CMD", "x"}));
  std::optional<Health> health;
  begin_health(health);
  for (int i = 0; i < 9; ++i) note_result(*health, plan, result_at(i, i), 0);
  ASSERT_EQ(health->log.size(), kKeptResults);
  EXPECT_EQ(health->log.front().exit_code, 4);
  EXPECT_EQ(health->log.back().exit_code, 8);
  suspend_health(health);
  EXPECT_EQ(health->status, HealthStatus::unhealthy);
  begin_health(health);
  EXPECT_EQ(health->status, HealthStatus::starting);
  EXPECT_EQ(health->failing_streak, 0);
  EXPECT_EQ(health->log.size(), kKeptResults);
}

TEST(HealthState, ProbesOftenWhileStarting) {
  HealthPlan plan = *health_plan(config_with({"CMD", "x"}));
  plan.start_period = 1min;
  Health health;
  EXPECT_EQ(time_to_next_probe(plan, health, 0s), 5s);
  EXPECT_EQ(time_to_next_probe(plan, health, 1min), 30s);
  health.status = HealthStatus::healthy;
  EXPECT_EQ(time_to_next_probe(plan, health, 0s), 30s);
  plan.start_period = 0s;
  EXPECT_EQ(time_to_next_probe(plan, Health{}, 0s), 30s);
}

TEST(HealthState, TimeoutsSaySo) {
  EXPECT_EQ(timeout_text(1500ms, ""), "Health check exceeded timeout (1.5s)");
  EXPECT_EQ(timeout_text(30s, "so far"), "Health check exceeded timeout (30s): so far");
}

TEST(HealthAction, IsOneOfFourAndNeedsAProbe) {
  for (const char* action : {"", "none", "kill", "restart", "stop"}) EXPECT_NO_THROW(check_health_action(action, true));
  EXPECT_NO_THROW(check_health_action("none", false));
  EXPECT_THROW(check_health_action("kill", false), Error);
  EXPECT_THROW(check_health_action("reboot", true), Error);
}

}  // namespace
}  // namespace berth::container
