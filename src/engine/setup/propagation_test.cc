#include <gtest/gtest.h>

#include "engine/setup/parts.h"

namespace berth::engine::setup {
namespace {

constexpr std::string_view kTable =
    "22 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
    "30 22 0:30 / /srv rw shared:5 - tmpfs t rw\n"
    "31 30 0:31 / /srv/a\\040b rw,relatime master:4 shared:6 - tmpfs t rw\n"
    "32 22 0:32 / /twice rw shared:7 - tmpfs t rw\n"
    "33 32 0:33 / /twice rw master:8 - tmpfs t rw\n";

TEST(FindMount, TheDeepestAndTheLastCount) {
  EXPECT_EQ(find_mount(kTable, "/etc/x").mount_point, "/");
  EXPECT_FALSE(find_mount(kTable, "/etc/x").shared);
  EXPECT_EQ(find_mount(kTable, "/srv").mount_point, "/srv");
  EXPECT_TRUE(find_mount(kTable, "/srv/b").shared);
  EXPECT_EQ(find_mount(kTable, "/srvb").mount_point, "/");
  EXPECT_EQ(find_mount(kTable, "/srv/a b/c").mount_point, "/srv/a b");
  EXPECT_TRUE(find_mount(kTable, "/srv/a b/c").shared);
  EXPECT_FALSE(find_mount(kTable, "/twice").shared);
}

}  // namespace
}  // namespace berth::engine::setup
