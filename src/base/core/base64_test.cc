#include "base/core/base64.h"

#include <gtest/gtest.h>

namespace berth {
namespace {

TEST(Base64, BothWays) {
  for (const std::string text : {"", "f", "fo", "foo", "foob", "\xff\x00\xfe"}) {
    EXPECT_EQ(decode_base64(base64(text)), text);
  }
  EXPECT_EQ(base64("fo"), "Zm8=");
  for (const char* bad : {"Zm8", "Zm8==", "Z===", "Zm 8", "=m8="}) EXPECT_FALSE(decode_base64(bad)) << bad;
}

TEST(Base64, OthersWriteItInOtherWays) {
  EXPECT_EQ(decode_any_base64("Pz8_"), "???");
  EXPECT_EQ(decode_any_base64("Pz8/"), "???");
  EXPECT_EQ(decode_any_base64("e30"), "{}");
  EXPECT_EQ(decode_any_base64("e30="), "{}");
  EXPECT_EQ(decode_any_base64(""), "");
  EXPECT_EQ(decode_any_base64("e"), std::nullopt);
  EXPECT_EQ(decode_any_base64("a b c"), std::nullopt);
}

}  // namespace
}  // namespace berth
