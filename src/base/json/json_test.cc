#include "base/json/json.h"

#include <gtest/gtest.h>

#include "base/core/binary.h"

namespace berth::json {
namespace {

struct Inner {
  std::string name;
  std::int64_t count = 0;
  static void describe(auto& self, auto&& field) {
    field("Name", self.name);
    field("Count", self.count, omit_empty);
  }
};
struct Outer {
  static constexpr std::string_view kGoName = "Outer";
  std::optional<Inner> inner;
  std::vector<std::string> tags;
  std::map<std::string, Inner> by_name;
  bool on = false;
  static void describe(auto& self, auto&& field) {
    field("Inner", self.inner);
    field("Tags", self.tags, null_if_empty);
    field("ByName", self.by_name);
    field("On", self.on);
  }
};

TEST(Json, WritesNestedStructs) {
  Outer value{.inner = Inner{"a", 0}, .tags = {}, .by_name = {{"k", {"b", 2}}}, .on = true};
  EXPECT_EQ(to_json(value), R"({"Inner":{"Name":"a"},"Tags":null,"ByName":{"k":{"Name":"b","Count":2}},"On":true})");
}

TEST(Json, ReadsLikeGo) {
  const auto value = from_json<Outer>(R"({"inner":{"NAME":"x","Count":3,"Unknown":[1]},"Tags":null,"on":true})");
  ASSERT_TRUE(value.inner);
  EXPECT_EQ(value.inner->name, "x");
  EXPECT_EQ(value.inner->count, 3);
  EXPECT_TRUE(value.on);
}

TEST(Json, WrongTypesSpeakGo) {
  try {
    from_json<Outer>(R"({"On":"yes"})");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.text(), "json: cannot unmarshal string into Go struct field Outer.On of type bool");
    EXPECT_EQ(error.kind(), ErrorKind::invalid);
  }
}

TEST(Json, BrokenTextAndDeepNestingAreRefused) {
  EXPECT_THROW(parse("{"), Error);
  EXPECT_THROW(parse(""), Error);
  EXPECT_THROW(parse(std::string(1000, '[')), Error);
}

TEST(Json, StringsAreEscapedAndMadeValid) {
  std::string out;
  write_string(out, "a\"\\\n\x01\xFF\xC3\xA4");
  EXPECT_EQ(out, "\"a\\\"\\\\\\n\\u0001\xEF\xBF\xBD\xC3\xA4\"");
}

TEST(Binary, RoundTripAndRefusalOfTruncation) {
  const Outer value{.inner = Inner{"a", 7}, .tags = {"x", "y"}, .by_name = {{"k", {"b", 2}}}, .on = true};
  const std::string bytes = binary::encode(value);
  EXPECT_EQ(to_json(binary::decode<Outer>(bytes)), to_json(value));
  for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
    EXPECT_THROW(binary::decode<Outer>(std::string_view{bytes}.substr(0, cut)), Error);
  }
}

}  // namespace
}  // namespace berth::json
