#include "engine/files/file_view.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "archive/chunks.h"
#include "archive/tar_reader.h"
#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"
#include "engine/files/go_path.h"

namespace berth::engine::files {
namespace {

TEST(GoPath, Base) {
  EXPECT_EQ(base_of("/a/b/"), "b");
  EXPECT_EQ(base_of("/"), "/");
  EXPECT_EQ(base_of(""), ".");
  EXPECT_EQ(base_of("/d/."), ".");
}

TEST(GoPath, AbsoluteKeepsWhatSaysThatAFolderIsMeant) {
  EXPECT_EQ(absolute("d"), "/d");
  EXPECT_EQ(absolute("/d/"), "/d/");
  EXPECT_EQ(absolute("/d/."), "/d/.");
  EXPECT_EQ(absolute("/a/../../b"), "/b");
  EXPECT_EQ(absolute("/"), "/");
}

TEST(GoPath, Within) {
  EXPECT_TRUE(is_within("/a/b", "/a"));
  EXPECT_TRUE(is_within("/a", "/a"));
  EXPECT_TRUE(is_within("/a", "/"));
  EXPECT_FALSE(is_within("/ab", "/a"));
}

/// A folder that stands for a container's root; what leads out of it must not.
class Files : public ::testing::Test {
 protected:
  Files() {
    sys::make_dir(at(""));
    sys::ensure_dir(at("d/sub"));
    sys::write_file(at("d/f"), "hi");
    sys::write_file(dir_.path() + "/secret", "of the host");
    link("/d", "to-d");
    link(dir_.path() + "/secret", "out");
    link("../../../secret", "up");
    link("/to-d/f", "chain");
    link("loop", "loop");
  }
  std::string at(const std::string& path) const { return cat(dir_.path(), "/root/", path); }
  void link(const std::string& target, const std::string& name) const {
    ASSERT_EQ(::symlink(target.c_str(), at(name).c_str()), 0);
  }
  FileView view() const { return {sys::open_file(at(""), O_PATH | O_DIRECTORY), false, container::Record{}}; }

  std::vector<std::string> names(const std::string& path) const {
    archive::StringSink sink;
    view().archive(path, sink);
    archive::StringSource source{sink.text};
    archive::TarReader reader{source};
    std::vector<std::string> found;
    while (auto entry = reader.next()) found.push_back(entry->path);
    return found;
  }
  int error_of(const std::string& path) const {
    try {
      view().stat(path);
    } catch (const Error& error) {
      return error.error_number();
    }
    return 0;
  }

  sys::TemporaryDir dir_{"/tmp"};
};

using Names = std::vector<std::string>;

TEST_F(Files, Stat) {
  const PathStat file = view().stat("/d/f");
  EXPECT_EQ(file.name, "f");
  EXPECT_EQ(file.size, 2);
  EXPECT_EQ(view().stat("d").mode >> 31, 1u);
  EXPECT_EQ(view().stat("/to-d/").mode >> 31, 1u);
}

TEST_F(Files, LinksAreFollowedWithinTheRootAsFarAsTheyLead) {
  EXPECT_EQ(view().stat("/chain").link_target, "/d/f");
  EXPECT_EQ(view().stat("/out").link_target, dir_.path() + "/secret");  // a path in the container
  EXPECT_EQ(view().stat("/up").link_target, "/secret");
  EXPECT_EQ(error_of("/loop/"), ELOOP);
  EXPECT_EQ(error_of("/out/"), ENOENT);
  EXPECT_EQ(error_of("/up/x"), ENOENT);
  EXPECT_EQ(error_of("/d/f/x"), ENOTDIR);
}

TEST_F(Files, ArchiveNames) {
  EXPECT_EQ(names("/d"), (Names{"d/", "d/f", "d/sub/"}));
  EXPECT_EQ(names("/to-d/."), (Names{"./", "./f", "./sub/"}));
  EXPECT_EQ(names("/d/f"), Names{"f"});
  EXPECT_EQ(names("/out"), Names{"out"});
  EXPECT_EQ(names("/").front(), "/");
}

}  // namespace
}  // namespace berth::engine::files
