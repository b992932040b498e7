#include "base/http_client/escape.h"

#include <gtest/gtest.h>

namespace berth::http_client {
namespace {

TEST(EscapeUrl, ReservedCharactersAreEncoded) {
  EXPECT_EQ(escape_url("a b/&=~\n"), "a%20b%2F%26%3D~%0A");
  EXPECT_EQ(escape_url("a/b:c", "/:"), "a/b:c");
}

TEST(UnescapeUrl, TurnsBackWhatIsEncoded) {
  EXPECT_EQ(unescape_url("a%20b%2F%7e"), "a b/~");
  EXPECT_EQ(unescape_url("100% %zz %4"), "100% %zz %4");
}

TEST(Base64, IsPadded) {
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foo"), "Zm9v");
  EXPECT_EQ(base64("moby:whale"), "bW9ieTp3aGFsZQ==");
  EXPECT_EQ(base64("\xff\xfe"), "//4=");
}

}  // namespace
}  // namespace berth::http_client
