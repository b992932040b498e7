#include "registry/client/url.h"

#include <gtest/gtest.h>

#include "base/core/error.h"

namespace berth::registry {
namespace {

std::string refusal(std::string_view text) {
  try {
    parse_url(text);
  } catch (const Error& error) {
    return error.text();
  }
  return "";
}

TEST(ParseUrl, PortsAreFilledIn) {
  EXPECT_EQ(parse_url("https://example.com").port, "443");
  EXPECT_EQ(parse_url("http://example.com/v2/").port, "80");
  EXPECT_EQ(parse_url("http://example.com:5000/v2/").port, "5000");
  EXPECT_EQ(parse_url("https://example.com").target, "/");
}

TEST(ParseUrl, AddressesOfVersionSix) {
  const Url url = parse_url("http://[::1]:5000/token?a=b#c");
  EXPECT_EQ(url.host, "::1");
  EXPECT_EQ(url.authority, "[::1]:5000");
  EXPECT_EQ(url.target, "/token?a=b");
}

TEST(ParseUrl, RefusalsHaveGosWords) {
  EXPECT_EQ(refusal("https://bad host"), "parse \"https://bad host\": invalid character \" \" in host name");
  EXPECT_EQ(refusal("http://[::1"), "parse \"http://[::1\": missing ']' in host");
  EXPECT_EQ(refusal("https://127.0.0.1:notaport"),
            "parse \"https://127.0.0.1:notaport\": invalid port \":notaport\" after host");
}

TEST(ParseUrl, NothingCanEndAHeaderEarly) {
  EXPECT_NE(refusal("https://a/\r\nX: y"), "");
  EXPECT_NE(refusal("https://a\r\nX: y/"), "");
  EXPECT_NE(refusal("file:///etc/passwd"), "");
}

}  // namespace
}  // namespace berth::registry
