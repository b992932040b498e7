#include "volume/local_driver.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/core/error.h"
#include "base/sys/file.h"

namespace berth::volume {
namespace {

struct Volumes : ::testing::Test {
  sys::TemporaryDir dir{"/tmp"};
  LocalDriver driver{dir.path() + "/volumes"};
  std::string layer(const std::string& name) {
    const std::string path = dir.path() + "/" + name;
    sys::ensure_dir(path);
    return path;
  }
  void file(const std::string& path, const std::string& text) {
    sys::ensure_dir(path.substr(0, path.rfind('/')));
    sys::write_file(path, text);
  }
};

TEST(LocalDriverCheck, RefusesNamesAndOptionsThatItDoesNotKnow) {
  EXPECT_NO_THROW(LocalDriver::check("data_1.x-y", {}));
  EXPECT_THROW(LocalDriver::check("../x", {}), Error);
  EXPECT_THROW(LocalDriver::check("a", {}), Error);
  EXPECT_THROW(LocalDriver::check("data", {{"colour", "blue"}}), Error);
  EXPECT_THROW(LocalDriver::check("data", {{"type", "tmpfs"}}), Error);
  EXPECT_NO_THROW(LocalDriver::check("data", {{"type", "tmpfs"}, {"device", "tmpfs"}, {"o", "size=1m"}}));
}

TEST_F(Volumes, LieInFoldersOfTheirOwn) {
  driver.make("data");
  driver.make("data");
  EXPECT_TRUE(sys::exists(driver.data_dir("data")));
  EXPECT_EQ(driver.list(), std::vector<std::string>{"data"});
  driver.remove("data");
  driver.remove("data");
  EXPECT_TRUE(driver.list().empty());
}

TEST_F(Volumes, TakeWhatTheImageHas) {
  const std::string top = layer("top"), bottom = layer("bottom");
  file(bottom + "/srv/data/old", "old");
  file(bottom + "/srv/data/both", "bottom");
  file(bottom + "/srv/data/sub/deep", "deep");
  file(top + "/srv/data/both", "top");
  ASSERT_EQ(::chmod((top + "/srv/data").c_str(), 0751), 0);
  driver.make("data");
  driver.copy_up("data", {top, bottom}, "/srv/data");
  const std::string data = driver.data_dir("data");
  EXPECT_EQ(sys::read_file(data + "/old"), "old");
  EXPECT_EQ(sys::read_file(data + "/both"), "top");
  EXPECT_EQ(sys::read_file(data + "/sub/deep"), "deep");
  EXPECT_EQ(sys::stat_if_exists(data)->st_mode & 07777, 0751U);
}

TEST_F(Volumes, FollowSymlinksOfThePathWithinTheImage) {
  const std::string top = layer("top"), bottom = layer("bottom");
  file(bottom + "/run/app/file", "inside");
  file(dir.path() + "/etc/secret", "outside");
  sys::ensure_dir(top + "/var");
  ASSERT_EQ(::symlink("/run", (top + "/var/run").c_str()), 0);
  ASSERT_EQ(::symlink("../../../../etc", (top + "/escape").c_str()), 0);
  driver.make("data");
  driver.copy_up("data", {top, bottom}, "/var/run/app");
  EXPECT_EQ(sys::read_file(driver.data_dir("data") + "/file"), "inside");
  driver.make("none");
  driver.copy_up("none", {top, bottom}, "/escape");
  EXPECT_TRUE(sys::list_dir(driver.data_dir("none")).empty());
}

TEST_F(Volumes, KeepSymlinksOfTheContentAsTheyAre) {
  const std::string top = layer("top");
  sys::ensure_dir(top + "/data");
  ASSERT_EQ(::symlink("/etc/passwd", (top + "/data/link").c_str()), 0);
  driver.make("data");
  driver.copy_up("data", {top}, "/data");
  char target[64] = {};
  EXPECT_EQ(::readlink((driver.data_dir("data") + "/link").c_str(), target, sizeof target), 11);
}

TEST_F(Volumes, AreLeftAloneWhenTheyHoldSomething) {
  const std::string top = layer("top");
  file(top + "/data/file", "image");
  driver.make("data");
  sys::write_file(driver.data_dir("data") + "/mine", "user");
  driver.copy_up("data", {top}, "/data");
  EXPECT_FALSE(sys::exists(driver.data_dir("data") + "/file"));
}

}  // namespace
}  // namespace berth::volume
