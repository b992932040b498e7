#include "registry/server/rights.h"

#include <gtest/gtest.h>

#include "base/core/error.h"

namespace berth::registry::server {
namespace {

constexpr Actions kPull{.pull = true}, kPush{.push = true};

TEST(Rights, WithoutAListWhoHasANameMayDoEverything) {
  const Rights closed{Actions{}}, open{kPull};
  EXPECT_EQ(closed.of("moby", "a"), Actions::all());
  EXPECT_TRUE(closed.of("", "a").none());
  EXPECT_EQ(open.of("", "a"), kPull);
}

TEST(Rights, RulesAddUp) {
  const Rights rights = Rights::parse(
      "# who where what\n"
      "*    base/*    pull\n"
      "-    public/*  pull   # for all\n"
      "\n"
      "moby base/moby push,delete\n"
      "root *         *\n");
  EXPECT_EQ(rights.of("whale", "base/x/y"), kPull);
  EXPECT_TRUE(rights.of("", "base/x").none());
  EXPECT_EQ(rights.of("", "public/x"), kPull);
  EXPECT_EQ(rights.of("whale", "public/x"), kPull);
  EXPECT_EQ(rights.of("moby", "base/moby"), Actions::all());
  EXPECT_TRUE(rights.of("moby", "other").none());
  EXPECT_TRUE(rights.reads_all("root"));
  EXPECT_FALSE(rights.reads_all("moby"));
}

TEST(Rights, AListThatMakesNoSenseIsRefused) {
  for (const char* text : {"moby", "moby a", "moby a pull push", "moby a read", "moby a pull,"}) {
    EXPECT_THROW(Rights::parse(text), Error) << text;
  }
}

TEST(Rights, Patterns) {
  EXPECT_TRUE(matches("*", "a/b"));
  EXPECT_TRUE(matches("a/*/c", "a/b/x/c"));
  EXPECT_TRUE(matches("a*b*c", "axxbxxbc"));
  EXPECT_FALSE(matches("a/*", "a"));
  EXPECT_FALSE(matches("a", "ab"));
  EXPECT_FALSE(matches("", "a"));
  EXPECT_FALSE(matches("*a*a*a*a*a*a*a*a*b", std::string(2000, 'a')));
  EXPECT_TRUE(kPush.covers({}));
  EXPECT_FALSE(kPush.covers(kPull));
}

}  // namespace
}  // namespace berth::registry::server
