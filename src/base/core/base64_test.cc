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

}  // namespace
}  // namespace berth
