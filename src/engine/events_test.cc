#include "engine/events.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <vector>

namespace berth::engine {
namespace {

using namespace std::chrono_literals;

Task<void> read_all(EventStream& stream, std::vector<std::string>& out) {
  while (std::optional<std::string> event = co_await stream.next()) out.push_back(std::move(*event));
}

/// Everything that a reader gets until its `until`.
std::vector<std::string> read(EventLoop& loop, EventLog& log, std::optional<Time> since, Filters filters = {}) {
  std::vector<std::string> out;
  const std::unique_ptr<EventStream> stream = log.open(since, now(), std::move(filters));
  boost::asio::co_spawn(loop, read_all(*stream, out), boost::asio::detached);
  loop.run();
  loop.restart();
  return out;
}

TEST(EventLog, ShowsAContainersEventWithItsLegacyFields) {
  EventLoop loop;
  EventLog log{loop};
  log.publish("container", "start", "4f2a", {{"image", "busybox"}, {"name", "web"}});
  const std::vector<std::string> events = read(loop, log, now() - 1h);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_TRUE(
      events[0].starts_with(R"({"status":"start","id":"4f2a","from":"busybox","Type":"container","Action":"start",)"
                            R"("Actor":{"ID":"4f2a","Attributes":{"image":"busybox","name":"web"}},"scope":"local",)"))
      << events[0];
}

TEST(EventLog, KeepsTheLastOnesOnly) {
  EventLoop loop;
  EventLog log{loop};
  for (std::size_t i = 0; i < EventLog::kKept + 10; ++i) log.publish("volume", "create", std::to_string(i), {});
  const std::vector<std::string> events = read(loop, log, now() - 1h);
  ASSERT_EQ(events.size(), EventLog::kKept);
  EXPECT_NE(events[0].find(R"("ID":"10")"), std::string::npos);
}

TEST(EventLog, GivesAReaderWithoutSinceOnlyWhatIsNew) {
  EventLoop loop;
  EventLog log{loop};
  log.publish("volume", "create", "old", {});
  const std::unique_ptr<EventStream> stream = log.open(std::nullopt, std::nullopt, {});
  EXPECT_EQ(log.readers(), 1U);
  log.publish("volume", "create", "new", {});
  std::vector<std::string> out;
  boost::asio::co_spawn(loop, read_all(*stream, out), boost::asio::detached);
  loop.poll();
  ASSERT_EQ(out.size(), 1U);
  EXPECT_NE(out[0].find("new"), std::string::npos);
}

TEST(EventLog, NumbersEventsByStrictlyRisingTimes) {
  EventLoop loop;
  EventLog log{loop};
  log.publish("volume", "create", "a", {});
  log.publish("volume", "create", "b", {});
  const std::vector<std::string> events = read(loop, log, now() - 1h);
  ASSERT_EQ(events.size(), 2U);
  EXPECT_NE(events[0].substr(events[0].find("timeNano")), events[1].substr(events[1].find("timeNano")));
}

EventMessage container_event(std::string action) {
  EventMessage message;
  message.type = "container";
  message.action = std::move(action);
  message.actor = {"4f2a91c07d3e", {{"name", "web"}, {"image", "nginx:1.25"}, {"tier", "front"}}};
  return message;
}

Filters filter(const std::string& name, const std::string& value) {
  Filters filters;
  filters.add(name, value);
  return filters;
}

TEST(EventFilters, FindContainersByNameAndId) {
  EXPECT_TRUE(matches(container_event("start"), filter("container", "web")));
  EXPECT_TRUE(matches(container_event("start"), filter("container", "4f2a91c07d3e")));
  EXPECT_FALSE(matches(container_event("start"), filter("container", "db")));
}

// What dockerd does, and so what scripts may depend on.
TEST(EventFilters, BeginningsAreEnoughWhateverTheType) {
  for (const char* type : {"container", "volume", "network", "daemon"}) {
    EXPECT_TRUE(matches(container_event("start"), filter(type, "we"))) << type;
    EXPECT_TRUE(matches(container_event("start"), filter(type, "4f2a"))) << type;
    EXPECT_FALSE(matches(container_event("start"), filter(type, "eb"))) << type;
  }
  EXPECT_FALSE(matches(container_event("start"), filter("image", "ngin")));
}

TEST(EventFilters, FindImagesWithAndWithoutTag) {
  EXPECT_TRUE(matches(container_event("start"), filter("image", "nginx:1.25")));
  EXPECT_TRUE(matches(container_event("start"), filter("image", "nginx")));
  EXPECT_FALSE(matches(container_event("start"), filter("image", "nginx:1.24")));
}

TEST(EventFilters, FindActionsWithTheirDetails) {
  EXPECT_TRUE(matches(container_event("exec_create: sh -c x"), filter("event", "exec_create")));
  EXPECT_FALSE(matches(container_event("exec_create: sh"), filter("event", "exec")));
  EXPECT_TRUE(matches(container_event("die"), filter("label", "tier=front")));
  EXPECT_FALSE(matches(container_event("die"), filter("type", "image")));
}

}  // namespace
}  // namespace berth::engine
