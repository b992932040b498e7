#include "registry/server/ranges.h"

#include <gtest/gtest.h>

#include "registry/server/errors.h"

namespace berth::registry::server {
namespace {

std::string shown(std::string_view text, std::uint64_t total) {
  try {
    const auto range = parse_range(text, total);
    return range ? std::to_string(range->first) + "+" + std::to_string(range->size) : "all";
  } catch (const Refusal& refusal) {
    return std::to_string(refusal.status());
  }
}

TEST(Ranges, OneRangeOfBytes) {
  EXPECT_EQ(shown("bytes=0-0", 10), "0+1");
  EXPECT_EQ(shown("bytes=2-5", 10), "2+4");
  EXPECT_EQ(shown("bytes=2-", 10), "2+8");
  EXPECT_EQ(shown("bytes=2-99", 10), "2+8");
  EXPECT_EQ(shown("bytes=-3", 10), "7+3");
  EXPECT_EQ(shown("bytes=-99", 10), "0+10");
  EXPECT_EQ(shown("bytes=0-18446744073709551615", 10), "0+10");
}

TEST(Ranges, BehindTheEndIsRefused) {
  for (const char* text : {"bytes=10-", "bytes=10-11", "bytes=-0", "bytes=5-2"})
    EXPECT_EQ(shown(text, 10), "416") << text;
  EXPECT_EQ(shown("bytes=0-", 0), "416");
  EXPECT_EQ(shown("bytes=-1", 0), "416");
}

TEST(Ranges, WhatIsNoneIsIgnored) {
  for (const char* text : {"", "bytes", "bytes=", "bytes=-", "bytes=1", "bytes=a-b", "bytes=1-b", "bytes=1-2,4-5",
                           "lines=1-2", "bytes=1-99999999999999999999"}) {
    EXPECT_EQ(shown(text, 10), "all") << text;
  }
}

TEST(Ranges, WhereAChunkBegins) {
  EXPECT_EQ(chunk_start("0-9"), 0U);
  EXPECT_EQ(chunk_start("bytes 10-19/20"), 10U);
  EXPECT_EQ(chunk_start("10-19/*"), 10U);
  EXPECT_EQ(chunk_start("0--1"), 0U);
  for (const char* text : {"", "5", "-5", "bytes 5", "x-9", "+5-9", "bytes=5-9"}) {
    EXPECT_EQ(chunk_start(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace berth::registry::server
