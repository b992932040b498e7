#include "runtime/mounts/options.h"

#include <gtest/gtest.h>
#include <linux/mount.h>

namespace berth::runtime::mounts {
namespace {

TEST(ParseOptions, SeparatesFlagsFromData) {
  const Options options = parse_options({"nosuid", "noexec", "mode=755", "size=64m", "ro"});
  EXPECT_EQ(options.flags, static_cast<unsigned long>(MS_NOSUID | MS_NOEXEC | MS_RDONLY));
  EXPECT_EQ(options.data, "mode=755,size=64m");
  EXPECT_FALSE(options.bind);
}

TEST(ParseOptions, KnowsBindsAndPropagation) {
  const Options options = parse_options({"rbind", "rslave", "ro"});
  EXPECT_TRUE(options.bind && options.recursive_bind && options.recursive_propagation);
  EXPECT_EQ(options.propagation, static_cast<unsigned long>(MS_SLAVE));
  EXPECT_EQ(options.set, static_cast<std::uint64_t>(MOUNT_ATTR_RDONLY));
}

TEST(ParseOptions, LaterOptionsWin) {
  const Options options = parse_options({"ro", "rw", "nodev"});
  EXPECT_EQ(options.flags, static_cast<unsigned long>(MS_NODEV));
  EXPECT_EQ(options.set, static_cast<std::uint64_t>(MOUNT_ATTR_NODEV));
  EXPECT_EQ(options.clear, static_cast<std::uint64_t>(MOUNT_ATTR_RDONLY));
}

TEST(ParseOptions, RecursiveOnesAreKeptApart) {
  const Options options = parse_options({"rbind", "rro"});
  EXPECT_EQ(options.recursive_set, static_cast<std::uint64_t>(MOUNT_ATTR_RDONLY));
  EXPECT_EQ(options.set, 0U);
}

TEST(ParseOptions, TimeStampsAreOneField) {
  const Options options = parse_options({"strictatime"});
  EXPECT_EQ(options.clear, static_cast<std::uint64_t>(MOUNT_ATTR__ATIME));
  EXPECT_EQ(options.set, static_cast<std::uint64_t>(MOUNT_ATTR_STRICTATIME));
}

}  // namespace
}  // namespace berth::runtime::mounts
