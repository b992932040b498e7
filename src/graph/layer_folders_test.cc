#include "graph/layer_folders.h"

#include <gtest/gtest.h>

#include "base/core/text.h"
#include "base/sys/file.h"
#include "graph/overlay2/overlay2.h"

namespace berth::graph {
namespace {

TEST(ContainerLayer, WhatAPowerCutTookIsMadeAnew) {
  const sys::TemporaryDir place{"/tmp", "layers-"};
  const auto driver = open_overlay2(place.path());
  const RootPaths paths = driver->create_container_layer("c1", {});
  EXPECT_FALSE(driver->restore_container_layer("c1", {}));

  sys::write_file(cat(paths.upper_dir, "/kept"), "text");
  sys::remove_tree(paths.work_dir);
  EXPECT_TRUE(driver->restore_container_layer("c1", {}));
  EXPECT_TRUE(sys::exists(paths.work_dir));
  EXPECT_TRUE(sys::exists(cat(paths.upper_dir, "/kept")));

  sys::remove_tree(cat(place.path(), "/c-c1"));
  EXPECT_TRUE(driver->restore_container_layer("c1", {}));
  EXPECT_TRUE(sys::exists(paths.upper_dir));
  EXPECT_FALSE(driver->restore_container_layer("c1", {}));
}

}  // namespace
}  // namespace berth::graph
