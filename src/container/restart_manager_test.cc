#include "container/restart_manager.h"

#include <gtest/gtest.h>

namespace berth::container {
namespace {

using namespace std::chrono_literals;

const RestartPolicy kAlways{.name = "always"};

TEST(RestartManager, DoublesTheDelayUpToAMinute) {
  RestartManager manager;
  EXPECT_EQ(manager.next_start(kAlways, 0, false, 0, 1s), 100ms);
  EXPECT_EQ(manager.next_start(kAlways, 0, false, 1, 1s), 200ms);
  EXPECT_EQ(manager.next_start(kAlways, 0, false, 2, 1s), 400ms);
  for (int i = 3; i < 20; ++i) manager.next_start(kAlways, 0, false, i, 1s);
  EXPECT_EQ(manager.next_start(kAlways, 0, false, 20, 1s), 1min);
}

TEST(RestartManager, BeginsAnewAfterTenSecondsOfRunning) {
  RestartManager manager;
  manager.next_start(kAlways, 0, false, 0, 1s);
  manager.next_start(kAlways, 0, false, 1, 1s);
  EXPECT_EQ(manager.next_start(kAlways, 0, false, 2, 10s), 100ms);
}

TEST(RestartManager, OnFailureWantsAFailureAndKeepsItsLimit) {
  RestartManager manager;
  const RestartPolicy policy{.name = "on-failure", .maximum_retry_count = 2};
  EXPECT_FALSE(manager.next_start(policy, 0, false, 0, 1s));
  EXPECT_TRUE(manager.next_start(policy, 1, false, 1, 1s));
  EXPECT_FALSE(manager.next_start(policy, 1, false, 2, 1s));
  EXPECT_TRUE(manager.next_start({.name = "on-failure"}, 1, false, 1000, 1s));
}

TEST(RestartManager, WithoutAPolicyNothing) {
  RestartManager manager;
  EXPECT_FALSE(manager.next_start({}, 1, false, 0, 1s));
  EXPECT_FALSE(manager.next_start({.name = "no"}, 1, false, 0, 1s));
}

TEST(WantsRestart, OnlyUnlessStoppedAsksWhoEndedIt) {
  EXPECT_TRUE(wants_restart(kAlways, 0, true, 0));
  EXPECT_TRUE(wants_restart({.name = "unless-stopped"}, 0, false, 0));
  EXPECT_FALSE(wants_restart({.name = "unless-stopped"}, 1, true, 0));
  EXPECT_TRUE(wants_restart({.name = "on-failure"}, 137, true, 0));
  EXPECT_FALSE(wants_restart({.name = "on-failure"}, 0, false, 0));
  EXPECT_FALSE(wants_restart({.name = "on-failure", .maximum_retry_count = 2}, 1, false, 2));
}

}  // namespace
}  // namespace berth::container
