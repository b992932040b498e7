#include "engine/image_space.h"

#include <gtest/gtest.h>

namespace berth::engine {
namespace {

constexpr Time at(int seconds) { return Time{std::chrono::seconds{seconds}}; }

image::StoredImage make(std::string id, int last_used, std::vector<std::string> tags = {}) {
  image::StoredImage image;
  image.id = std::move(id);
  image.repo_tags = std::move(tags);
  image.last_used = at(last_used);
  return image;
}

std::vector<std::vector<std::string>> names(const std::vector<ChosenImage>& images) {
  std::vector<std::vector<std::string>> all;
  for (const ChosenImage& image : images) all.push_back(image.names);
  return all;
}

TEST(ChooseUnused, OldestUseFirstByAllOfItsNames) {
  const auto chosen =
      choose_unused({make("b", 20, {"b:1", "b:2"}), make("a", 10), make("c", 30, {"c:1"})}, {}, at(100));
  EXPECT_EQ(names(chosen), (std::vector<std::vector<std::string>>{{"a"}, {"b:1", "b:2"}, {"c:1"}}));
}

TEST(ChooseUnused, ANameOfSeveralPlatformsStaysForOneOfThem) {
  image::StoredImage image = make("amd64", 1, {"a:1"});
  image.variants = {"arm64"};
  EXPECT_TRUE(
      choose_unused({image}, {{.container_id = "x", .image_id = "arm64", .image_name = "a:1"}}, at(100)).empty());
}

TEST(ChooseUnused, WhatContainersAndChildrenNeedStays) {
  image::StoredImage child = make("child", 5);
  child.parent_id = "parent";
  const auto chosen = choose_unused({make("used", 1), make("parent", 2), child},
                                    {{.container_id = "x", .image_id = "used", .image_name = "used"}}, at(100));
  EXPECT_EQ(names(chosen), (std::vector<std::vector<std::string>>{{"child"}}));
}

TEST(ChooseUnused, WhatWasUsedLatelyStays) {
  EXPECT_TRUE(choose_unused({make("fresh", 99)}, {}, at(99)).empty());
  EXPECT_EQ(choose_unused({make("old", 98)}, {}, at(99)).size(), 1U);
}

}  // namespace
}  // namespace berth::engine
