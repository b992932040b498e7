#include "oci/reference.h"

#include <gtest/gtest.h>

#include "base/core/error.h"

namespace berth::oci {
namespace {

std::string error_of(std::string_view text) {
  try {
    parse_reference(text);
  } catch (const Error& error) {
    return error.text();
  }
  return "none";
}

TEST(Reference, FamiliarNamesAreDockersDefaults) {
  EXPECT_EQ(parse_reference("busybox").full(), "docker.io/library/busybox");
  EXPECT_EQ(parse_reference("team/app:1").full(), "docker.io/team/app:1");
  EXPECT_EQ(parse_reference("localhost/app").full(), "localhost/app");
  EXPECT_EQ(parse_reference("localhost:5000/a/b_c__d:x").full(), "localhost:5000/a/b_c__d:x");
  EXPECT_EQ(parse_reference("index.docker.io/busybox").familiar(), "busybox");
  EXPECT_EQ(parse_reference("docker.io/library/busybox:latest").familiar(), "busybox:latest");
  EXPECT_EQ(parse_reference("[::1]:5000/app").full(), "[::1]:5000/app");
}

TEST(Reference, TheDefaultTagIsForNamesWithoutTagAndDigest) {
  EXPECT_EQ(parse_reference("busybox").with_default_tag().familiar(), "busybox:latest");
  const std::string digest = "busybox@sha256:" + std::string(64, 'a');
  EXPECT_EQ(parse_reference(digest).with_default_tag().familiar(), digest);
}

TEST(Reference, BadOnesHaveDockersTexts) {
  for (const char* text :
       {"", ":x", "a:", "a b", "-a", "a/", "a//b", "a___b", "a..b", "a:b:c", "a@", "a@b", "_a", "a:-x"}) {
    EXPECT_EQ(error_of(text), "invalid reference format") << text;
  }
  EXPECT_EQ(error_of("BusyBox"), "invalid reference format: repository name (library/BusyBox) must be lowercase");
  EXPECT_EQ(error_of(std::string(64, 'a')),
            "invalid repository name (" + std::string(64, 'a') + "), cannot specify 64-byte hexadecimal strings");
  EXPECT_EQ(error_of(std::string(300, 'a')), "repository name must not be more than 255 characters");
}

}  // namespace
}  // namespace berth::oci
