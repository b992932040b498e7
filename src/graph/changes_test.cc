#include "graph/changes.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <map>

#include "archive/chunks.h"
#include "archive/tar_reader.h"
#include "base/core/text.h"
#include "base/sys/file.h"

namespace berth::graph {
namespace {

/// Layers as overlayfs leaves them; whiteouts need root.
class Changes : public ::testing::Test {
 protected:
  Changes() {
    if (::geteuid() != 0) return;
    for (const char* layer : {"upper", "top", "bottom"}) sys::make_dir(cat(dir_.path(), "/", layer));
    trees_ = {.upper = at("upper"), .lower = {at("top"), at("bottom")}};
    file("bottom/etc/passwd", "root");
    file("bottom/etc/group", "root");
    file("bottom/home/app/x", "x");
    file("top/srv/www", "w");
    sys::ensure_dir(at("bottom/usr/bin"));
    file("bottom/usr/bin/old", "o");
  }
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  }

  std::string at(const std::string& path) const { return cat(dir_.path(), "/", path); }
  void file(const std::string& path, const std::string& content) const {
    sys::ensure_dir(at(path.substr(0, path.rfind('/'))));
    sys::write_file(at(path), content);
    const timespec times[2] = {{1000, 0}, {1000, 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, at(path).c_str(), times, 0), 0);
  }
  void whiteout(const std::string& path) const {
    sys::ensure_dir(at(path.substr(0, path.rfind('/'))));
    ASSERT_EQ(::mknod(at(path).c_str(), S_IFCHR, makedev(0, 0)), 0);
  }
  void opaque(const std::string& path) const {
    sys::ensure_dir(at(path));
    ASSERT_EQ(::setxattr(at(path).c_str(), "trusted.overlay.opaque", "y", 1, 0), 0);
  }

  std::vector<std::string> found(const std::set<std::string>& by_runtime = {}) const {
    std::vector<std::string> lines;
    for (const Change& change : find_changes(trees_, by_runtime)) {
      lines.push_back(cat("CAD"[static_cast<int>(change.kind)], " ", change.path));
    }
    return lines;
  }

  using Entries = std::map<std::string, std::string>;  // path to content, or to "-> link"
  static Entries read(const std::string& tar) {
    archive::StringSource source{tar};
    archive::TarReader reader{source};
    Entries entries;
    while (auto entry = reader.next()) {
      entries[entry->path] = entry->link.empty() ? reader.read_all(1000) : cat("-> ", entry->link);
    }
    return entries;
  }
  template <class Write>
  static Entries written(Write write) {
    archive::StringSink sink;
    archive::TarWriter tar{sink};
    write(tar);
    tar.finish();
    return read(sink.text);
  }

  sys::TemporaryDir dir_{"/tmp"};
  ContainerTrees trees_;
};

using Lines = std::vector<std::string>;

TEST_F(Changes, AddedModifiedDeleted) {
  file("upper/new/sub/f", "n");
  file("upper/etc/passwd", "other");
  whiteout("upper/home/app");
  EXPECT_EQ(found(),
            (Lines{"C /etc", "C /etc/passwd", "C /home", "D /home/app", "A /new", "A /new/sub", "A /new/sub/f"}));
}

TEST_F(Changes, BytesOfTheStart) {
  EXPECT_EQ(bytes_of_start(trees_), 0U);
  sys::ensure_dir(at("upper/etc"));
  ASSERT_EQ(::symlink("/proc/mounts", at("upper/etc/mtab").c_str()), 0);
  EXPECT_EQ(bytes_of_start(trees_), 12U);
  ASSERT_EQ(::symlink("/proc/mounts", at("bottom/etc/mtab").c_str()), 0);
  EXPECT_EQ(bytes_of_start(trees_), 0U) << "the image's own, changed by the container";
}

TEST_F(Changes, WhatWasOnlyCopiedUpIsUnchanged) {
  file("upper/etc/passwd", "root");
  sys::ensure_dir(at("upper/usr/bin"));
  EXPECT_EQ(found(), Lines{});
  ASSERT_EQ(::chmod(at("upper/usr").c_str(), 0700), 0);
  EXPECT_EQ(found(), Lines{"C /usr"});
}

TEST_F(Changes, AnOpaqueFolderHidesWhatWasThere) {
  opaque("upper/usr/bin");
  file("upper/usr/bin/new", "n");
  EXPECT_EQ(found(), (Lines{"C /usr", "C /usr/bin", "A /usr/bin/new", "D /usr/bin/old"}));
}

TEST_F(Changes, AWhiteoutOfNothingIsNothing) {
  whiteout("upper/never");
  EXPECT_EQ(found(), Lines{});
}

TEST_F(Changes, OfOtherKind) {
  file("upper/usr", "a file now");
  sys::ensure_dir(at("upper/srv/www/sub"));
  EXPECT_EQ(found(), (Lines{"C /srv", "C /srv/www", "A /srv/www/sub", "C /usr"}));
}

TEST_F(Changes, LowerLayersHideEachOther) {
  whiteout("top/etc/group");
  file("upper/etc/group", "new again");
  EXPECT_EQ(found(), (Lines{"C /etc", "A /etc/group"}));
}

TEST_F(Changes, WhatTheStartLeavesIsNoChange) {
  file("upper/.dockerenv", "");
  file("upper/etc/hosts", "");
  sys::ensure_dir(at("upper/proc"));
  sys::ensure_dir(at("upper/dev"));
  const std::set<std::string> by_runtime{"/.dockerenv", "/etc/hosts", "/proc", "/dev"};
  EXPECT_EQ(found(by_runtime), Lines{});
  file("upper/etc/hosts", "not empty");
  file("upper/dev/own", "");
  EXPECT_EQ(found(by_runtime), (Lines{"A /dev", "A /dev/own", "C /etc", "A /etc/hosts"}));
}

TEST_F(Changes, AWholeTreeIsComparedWithAWholeTree) {
  trees_ = {.upper = at("upper"), .lower = {at("bottom")}, .upper_is_whole = true};
  file("upper/etc/passwd", "root");
  file("upper/etc/more", "m");
  sys::ensure_dir(at("upper/usr/bin"));
  EXPECT_EQ(found(),
            (Lines{"C /etc", "D /etc/group", "A /etc/more", "D /home", "C /usr", "C /usr/bin", "D /usr/bin/old"}));
}

TEST_F(Changes, AsALayer) {
  file("upper/etc/passwd", "other");
  whiteout("upper/home");
  opaque("upper/usr/bin");
  file("upper/a", "linked");
  ASSERT_EQ(::link(at("upper/a").c_str(), at("upper/b").c_str()), 0);
  const Entries expected{{"a", "linked"},  {"b", "-> a"}, {"etc/", ""},     {"etc/passwd", "other"},
                         {".wh.home", ""}, {"usr/", ""},  {"usr/bin/", ""}, {"usr/bin/.wh.old", ""}};
  // usr/bin itself did not change, so that only what went from it tells of it.
  EXPECT_EQ(written([&](archive::TarWriter& tar) { write_changes(trees_, {}, tar); }), expected);
}

TEST_F(Changes, TheWholeTree) {
  file("upper/etc/passwd", "other");
  whiteout("upper/home");
  opaque("upper/usr/bin");
  whiteout("top/etc/group");
  const Entries expected{{"etc/", ""}, {"etc/passwd", "other"}, {"srv/", ""}, {"srv/www", "w"},
                         {"usr/", ""}, {"usr/bin/", ""}};
  EXPECT_EQ(written([&](archive::TarWriter& tar) { write_container_tree(trees_, tar); }), expected);
}

}  // namespace
}  // namespace berth::graph
