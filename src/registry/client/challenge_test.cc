#include "registry/client/challenge.h"

#include <gtest/gtest.h>

namespace berth::registry {
namespace {

TEST(ParseChallenges, BearerHasItsParameters) {
  const auto found =
      parse_challenges(R"(Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="a b")");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].scheme, "bearer");
  EXPECT_EQ(found[0].parameter("realm"), "https://auth.docker.io/token");
  EXPECT_EQ(found[0].parameter("service"), "registry.docker.io");
  EXPECT_EQ(found[0].parameter("scope"), "a b");
  EXPECT_EQ(found[0].parameter("error"), "");
}

TEST(ParseChallenges, CommasAndQuotesMayStandInQuotes) {
  const auto found = parse_challenges(R"(BEARER Realm = "x" , service="a, \"b\"")");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].parameter("realm"), "x");
  EXPECT_EQ(found[0].parameter("service"), "a, \"b\"");
}

TEST(ParseChallenges, SeveralInOneHeader) {
  const auto found = parse_challenges(R"(Negotiate, Basic realm="r", Bearer realm=t)");
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0].scheme, "negotiate");
  EXPECT_EQ(found[1].parameter("realm"), "r");
  EXPECT_EQ(found[2].parameter("realm"), "t");
}

TEST(ParseChallenges, NonsenseIsNoChallenge) {
  EXPECT_TRUE(parse_challenges("").empty());
  EXPECT_TRUE(parse_challenges("=x").empty());
  EXPECT_TRUE(parse_challenges("realm=\"x\"").empty());
  EXPECT_TRUE(parse_challenges("\"").empty());
}

TEST(ParseChallenges, AnUnfinishedQuoteEndsWithTheHeader) {
  EXPECT_EQ(parse_challenges("Basic realm=\"x\\").at(0).parameter("realm"), "x\\");
}

}  // namespace
}  // namespace berth::registry
