#include "engine/filters.h"

#include <gtest/gtest.h>

#include "base/core/error.h"

namespace berth::engine {
namespace {

std::string error_of(auto call) {
  try {
    call();
  } catch (const Error& error) {
    return error.text();
  }
  return "";
}

TEST(Filters, ReadsListsAndTheOldSets) {
  const Filters lists = Filters::parse(R"({"label":["a=b","c"],"status":["exited"]})");
  EXPECT_EQ(lists.get("label"), (std::vector<std::string>{"a=b", "c"}));
  EXPECT_TRUE(lists.match_exact("status", "exited"));
  EXPECT_FALSE(lists.match_exact("status", "running"));
  const Filters sets = Filters::parse(R"({"label":{"a=b":true}})");
  EXPECT_EQ(sets.get("label"), (std::vector<std::string>{"a=b"}));
}

TEST(Filters, NothingAsksForEverything) {
  EXPECT_TRUE(Filters::parse("").empty());
  EXPECT_TRUE(Filters::parse("{}").match_exact("name", "x"));
  EXPECT_TRUE(Filters::parse("{}").match_labels({}));
}

TEST(Filters, BrokenJsonIsAnInvalidFilter) {
  for (const char* text : {"{", "[]", "\"x\"", R"({"a":1})", R"({"a":[1]})", R"({"a":{"b":2}})"}) {
    EXPECT_EQ(error_of([&] { Filters::parse(text); }), "invalid filter") << text;
  }
}

TEST(Filters, UnknownNamesAreRefused) {
  const Filters filters = Filters::parse(R"({"foo":["bar"]})");
  EXPECT_EQ(error_of([&] { filters.check_names({"label"}); }), "invalid filter 'foo'");
  filters.check_names({"label", "foo"});
}

TEST(Filters, EveryLabelMustHoldAndNoneOfTheNegated) {
  const std::map<std::string, std::string> labels{{"a", "b"}, {"c", ""}};
  EXPECT_TRUE(Filters::parse(R"({"label":["a=b","c"]})").match_labels(labels));
  EXPECT_FALSE(Filters::parse(R"({"label":["a=x"]})").match_labels(labels));
  EXPECT_FALSE(Filters::parse(R"({"label":["d"]})").match_labels(labels));
  EXPECT_FALSE(Filters::parse(R"({"label!":["a"]})").match_labels(labels));
  EXPECT_TRUE(Filters::parse(R"({"label!":["a=x"]})").match_labels(labels));
}

TEST(Filters, BooleansAreOneOfFourWords) {
  EXPECT_TRUE(Filters::parse(R"({"dangling":["1"]})").get_bool("dangling", false));
  EXPECT_FALSE(Filters::parse(R"({"dangling":{"false":true}})").get_bool("dangling", true));
  EXPECT_TRUE(Filters{}.get_bool("dangling", true));
  EXPECT_EQ(error_of([] { Filters::parse(R"({"dangling":["maybe"]})").get_bool("dangling", true); }),
            "invalid filter 'dangling=[maybe]'");
  EXPECT_EQ(error_of([] { Filters::parse(R"({"dangling":["1","0"]})").get_bool("dangling", true); }),
            "invalid filter 'dangling=[1 0]'");
}

}  // namespace
}  // namespace berth::engine
