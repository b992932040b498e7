#include "container/config.h"

#include <gtest/gtest.h>

#include "base/core/error.h"

namespace berth::container {
namespace {

TEST(HostConfig, GivenListsGoBackAsTheyCame) {
  const auto round_trip = [](const char* text) { return json::to_json(json::from_json<HostConfig>(text)); };
  const std::string absent = round_trip("{}"), empty = round_trip(R"({"Dns":[],"PortBindings":{"80/tcp":null}})");
  EXPECT_TRUE(absent.contains(R"("Dns":null)") && absent.contains(R"("PortBindings":null)")) << absent;
  EXPECT_TRUE(empty.contains(R"("Dns":[])") && empty.contains(R"("PortBindings":{"80/tcp":null})")) << empty;
  EXPECT_TRUE(round_trip(R"({"Dns":["10.0.0.1"]})").contains(R"("Dns":["10.0.0.1"])"));
}

TEST(HostConfig, ConsoleSizeIsAlwaysTwoNumbers) {
  const auto size = [](const char* text) { return json::from_json<HostConfig>(text).console_size; };
  EXPECT_EQ(size("{}").height, 0U);
  EXPECT_EQ(size(R"({"ConsoleSize":[24,80,7]})").width, 80U);
  EXPECT_EQ(size(R"({"ConsoleSize":[24]})").width, 0U);
  EXPECT_TRUE(json::to_json(HostConfig{}).contains(R"("ConsoleSize":[0,0])"));
}

TEST(HostConfig, WrongTypesNameTheField) {
  try {
    json::from_json<HostConfig>(R"({"Binds":"/a:/b"})");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.text(), "json: cannot unmarshal string into Go struct field HostConfig.Binds of type []string");
  }
}

}  // namespace
}  // namespace berth::container
