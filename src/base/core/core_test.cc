#include <gtest/gtest.h>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/core/time.h"

namespace berth {
namespace {

TEST(Time, PrintsAsGoDoes) {
  const Time time = *parse_time("2024-02-29T12:34:56.789Z");
  EXPECT_EQ(format_time(time), "2024-02-29T12:34:56.789Z");
  EXPECT_EQ(format_time_fixed(time), "2024-02-29T12:34:56.789000000Z");
  EXPECT_EQ(format_time(kNever), "0001-01-01T00:00:00Z");
}

TEST(Time, TakesOffsetsAndRefusesNonsense) {
  EXPECT_EQ(parse_time("2024-01-01T02:00:00+02:00"), parse_time("2024-01-01T00:00:00Z"));
  for (const char* text : {"", "2024", "2024-13-01T00:00:00Z", "2024-01-01T25:00:00Z", "2024-01-01T00:00:00", "x",
                           "2024-01-01T23:59:60Z"}) {
    EXPECT_FALSE(parse_time(text)) << text;
  }
}

TEST(Time, BeyondItsReachIsItsNearestMoment) {
  for (const char* text :
       {"0000-01-01T00:00:00Z", "1677-01-01T00:00:00Z", "2262-12-31T23:59:59.9Z", "9999-12-31T23:59:59-23:59"}) {
    const Time time = *parse_time(text);
    EXPECT_EQ(parse_time(format_time(time)), time) << text;
  }
  EXPECT_LT(*parse_time("0000-01-01T00:00:00Z"), *parse_time("1900-01-01T00:00:00Z"));
  EXPECT_GT(*parse_time("9999-12-31T23:59:59Z"), *parse_time("2200-01-01T00:00:00Z"));
}

TEST(Time, TimestampsAreSecondsOrDates) {
  EXPECT_EQ(parse_timestamp("1136073600.000000001"), *parse_time("2006-01-01T00:00:00Z") + std::chrono::nanoseconds{1});
  EXPECT_FALSE(parse_timestamp("12.x"));
}

TEST(Time, DurationsReadAsInGo) {
  using namespace std::chrono_literals;
  EXPECT_EQ(format_go_duration(0ns), "0s");
  EXPECT_EQ(format_go_duration(7ns), "7ns");
  EXPECT_EQ(format_go_duration(1500ns), "1.5µs");
  EXPECT_EQ(format_go_duration(100ms), "100ms");
  EXPECT_EQ(format_go_duration(1500ms), "1.5s");
  EXPECT_EQ(format_go_duration(30s), "30s");
  EXPECT_EQ(format_go_duration(90s), "1m30s");
  EXPECT_EQ(format_go_duration(2h + 50ms), "2h0m0.05s");
  EXPECT_EQ(format_go_duration(-3s), "-3s");
}

TEST(Text, NumbersMustBeWhole) {
  EXPECT_EQ(parse_number<int>("12"), 12);
  EXPECT_FALSE(parse_number<int>("12x"));
  EXPECT_FALSE(parse_number<int>(""));
  EXPECT_FALSE(parse_number<std::uint8_t>("256"));
}

TEST(Text, IdsAreHexAndNotAllDecimalUpFront) {
  const std::string id = random_id();
  EXPECT_EQ(id.size(), 64U);
  EXPECT_TRUE(is_hex(id));
  EXPECT_NE(id.substr(0, 12).find_first_of("abcdef"), std::string::npos);
}

TEST(Error, ContextGoesInFront) {
  Error error = errno_error(2, "open", "/x");
  error.during("creating y");
  EXPECT_EQ(error.text(), "creating y: open /x: no such file or directory");
  EXPECT_EQ(error.error_number(), 2);
}

}  // namespace
}  // namespace berth
