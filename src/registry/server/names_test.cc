#include "registry/server/names.h"

#include <gtest/gtest.h>

#include <string>

namespace berth::registry::server {
namespace {

TEST(RepositoryName, FollowsTheSpecification) {
  for (const char* good : {"a", "busybox", "library/busybox", "a/b/c/d", "a.b", "a_b", "a__b", "a-b", "a---b", "0/1"}) {
    EXPECT_TRUE(is_repository_name(good)) << good;
  }
  for (const char* bad :
       {"", "/", "a/", "/a", "a//b", "A", "a..b", "a___b", "a._b", "-a", "a-", "..", "a/../b", "a b", "a:b"}) {
    EXPECT_FALSE(is_repository_name(bad)) << bad;
  }
  EXPECT_TRUE(is_repository_name(std::string(255, 'a')));
  EXPECT_FALSE(is_repository_name(std::string(256, 'a')));
}

TEST(Tag, FollowsTheSpecification) {
  for (const char* good : {"latest", "1.2.3", "_x", "A-b.c_d"}) EXPECT_TRUE(is_tag(good)) << good;
  for (const char* bad : {"", ".x", "-x", "a/b", "a b", "a:b"}) EXPECT_FALSE(is_tag(bad)) << bad;
  EXPECT_TRUE(is_tag(std::string(128, 'a')));
  EXPECT_FALSE(is_tag(std::string(129, 'a')));
}

TEST(Digest, IsSha256InLowerCase) {
  const std::string hex(64, 'a');
  EXPECT_TRUE(is_digest("sha256:" + hex));
  EXPECT_FALSE(is_digest("sha256:" + std::string(64, 'A')));
  EXPECT_FALSE(is_digest("sha256:" + std::string(63, 'a')));
  EXPECT_FALSE(is_digest("sha512:" + hex));
  EXPECT_TRUE(is_digest("sha512:" + hex + hex));
  EXPECT_FALSE(is_digest("sha256:" + hex + hex));
  EXPECT_FALSE(is_digest(hex));
}

}  // namespace
}  // namespace berth::registry::server
