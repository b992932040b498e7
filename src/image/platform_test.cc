#include "image/platform.h"

#include <gtest/gtest.h>

#include "base/core/error.h"

namespace berth::image {
namespace {

oci::Descriptor manifest(std::string digest, std::string os, std::string architecture, std::string variant = "") {
  return {.media_type = std::string{oci::kMediaManifest},
          .digest = std::move(digest),
          .platform = oci::Platform{
              .architecture = std::move(architecture), .os = std::move(os), .variant = std::move(variant)}};
}

TEST(Platform, IsReadInAllItsForms) {
  EXPECT_EQ(platform_text(parse_platform("linux/arm64/v8")), "linux/arm64/v8");
  EXPECT_EQ(platform_text(parse_platform("Linux/X86_64")), "linux/amd64");
  EXPECT_EQ(platform_text(parse_platform("arm64")), "linux/arm64");
  EXPECT_EQ(platform_text(parse_platform("linux/armhf")), "linux/arm/v7");
  EXPECT_EQ(platform_text(parse_platform("")), platform_text(host_platform()));
  EXPECT_EQ(parse_platform("windows").os, "windows");
}

TEST(Platform, NonsenseIsRefused) {
  for (const char* text : {"linux/amd64/v1/x", "linux//v1", "a b", "linux/", "plan10"}) {
    EXPECT_THROW(parse_platform(text), Error) << text;
  }
}

TEST(ChoosePlatform, TakesTheBestThatRuns) {
  const std::vector<oci::Descriptor> index{manifest("attestation", "unknown", "unknown"),
                                           manifest("v5", "linux", "arm", "v5"), manifest("v6", "linux", "arm", "v6"),
                                           manifest("v8", "linux", "arm", "v8"), manifest("amd64", "linux", "amd64")};
  EXPECT_EQ(choose_platform(index, parse_platform("linux/arm/v7"))->digest, "v6");
  EXPECT_EQ(choose_platform(index, parse_platform("linux/arm/v5"))->digest, "v5");
  EXPECT_EQ(choose_platform(index, parse_platform("linux/amd64"))->digest, "amd64");
  EXPECT_EQ(choose_platform(index, parse_platform("linux/s390x")), nullptr);
  EXPECT_EQ(choose_platform({}, parse_platform("linux/amd64")), nullptr);
}

TEST(ChoosePlatform, Arm64MeansItsEighthVersion) {
  const std::vector<oci::Descriptor> index{manifest("plain", "linux", "arm64")};
  EXPECT_EQ(choose_platform(index, parse_platform("linux/arm64/v8"))->digest, "plain");
}

}  // namespace
}  // namespace berth::image
