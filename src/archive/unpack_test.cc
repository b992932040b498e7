#include "archive/unpack.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "archive/digest.h"
#include "archive/tar_writer.h"
#include "archive/tree_writer.h"
#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"

namespace berth::archive {
namespace {

bool is_root() { return ::geteuid() == 0; }

/// A place to unpack into, with neighbours that must not be touched.
class Unpacking : public ::testing::Test {
 protected:
  Unpacking() {
    sys::make_dir(root());
    sys::make_dir(kept());
    sys::write_file(outside("secret"), "untouched");
  }
  std::string root() const { return dir_.path() + "/diff"; }
  std::string kept() const { return dir_.path() + "/kept"; }
  std::string outside(const std::string& name) const { return dir_.path() + "/" + name; }
  std::string at(const std::string& path) const { return root() + "/" + path; }
  struct stat stat_of(const std::string& path) const {
    struct stat info{};
    EXPECT_EQ(::lstat(at(path).c_str(), &info), 0) << path;
    return info;
  }

  /// Unpacks what `tar_` holds.
  void unpack(Whiteouts whiteouts = Whiteouts::plain) {
    tar_.finish();
    StringSource source{sink_.text};
    TarReader reader{source};
    Unpacker{root(), {.whiteouts = whiteouts, .ownership = is_root()}}.unpack(reader);
  }
  std::string error() {
    try {
      unpack();
    } catch (const Error& error) {
      return error.text();
    }
    return "none";
  }
  void expect_nothing_escaped() const {
    EXPECT_EQ(sys::read_file(outside("secret")), "untouched");
    EXPECT_EQ(sys::list_dir(dir_.path()).size(), 3u);
  }

  sys::TemporaryDir dir_{"/tmp"};
  StringSink sink_;
  TarWriter tar_{sink_};
};

TEST_F(Unpacking, DotDotStopsAtTheRoot) {
  tar_.add_file("../../escape", "x");
  tar_.add_file("a/../../../b/./c", "y");
  unpack();
  EXPECT_EQ(sys::read_file(at("escape")), "x");
  EXPECT_EQ(sys::read_file(at("b/c")), "y");
  expect_nothing_escaped();
}

TEST_F(Unpacking, AbsoluteNamesAreBelowTheRoot) {
  tar_.add_file("/etc/motd", "x");
  unpack();
  EXPECT_EQ(sys::read_file(at("etc/motd")), "x");
}

TEST_F(Unpacking, AFileThroughAnAbsoluteSymlinkStaysInside) {
  tar_.add_symlink("link", dir_.path());
  tar_.add_file("link/secret", "changed");
  error();  // the target does not exist below the root
  expect_nothing_escaped();
}

TEST_F(Unpacking, AFileThroughARelativeSymlinkStaysInside) {
  tar_.add_symlink("link", "../../../../../../..");
  tar_.add_file("link/inside", "x");
  unpack();
  EXPECT_EQ(sys::read_file(at("inside")), "x");  // ".." of the root is the root
  expect_nothing_escaped();
}

TEST_F(Unpacking, AFileReplacesASymlinkInsteadOfFollowingIt) {
  tar_.add_symlink("link", outside("secret"));
  tar_.add_file("link", "own");
  unpack();
  EXPECT_EQ(sys::read_file(at("link")), "own");
  expect_nothing_escaped();
}

TEST_F(Unpacking, ADirectoryReplacesASymlink) {
  tar_.add_symlink("d", dir_.path());
  tar_.add_dir("d");
  tar_.add_file("d/secret", "own");
  unpack();
  EXPECT_EQ(sys::read_file(at("d/secret")), "own");
  expect_nothing_escaped();
}

TEST_F(Unpacking, AHardLinkCannotReachOutside) {
  tar_.add_hard_link("stolen", "../secret");
  EXPECT_NE(error(), "none");
  EXPECT_FALSE(sys::exists(at("stolen")));
}

TEST_F(Unpacking, AHardLinkThroughASymlinkCannotReachOutside) {
  tar_.add_symlink("link", dir_.path());
  tar_.add_hard_link("stolen", "link/secret");
  EXPECT_NE(error(), "none");
  EXPECT_FALSE(sys::exists(at("stolen")));
}

TEST_F(Unpacking, HardLinksShareTheFile) {
  tar_.add_file("a", "x");
  tar_.add_hard_link("b", "/a");
  tar_.add_hard_link("a", "a");
  unpack();
  EXPECT_EQ(stat_of("a").st_ino, stat_of("b").st_ino);
}

TEST_F(Unpacking, TheLastOfSeveralEntriesWins) {
  tar_.add_file("a", "first");
  tar_.add_file("a", "second");
  tar_.add_dir("d");
  tar_.add_file("d/x", "x");
  tar_.add_file("d", "now a file");
  unpack();
  EXPECT_EQ(sys::read_file(at("a")), "second");
  EXPECT_EQ(sys::read_file(at("d")), "now a file");
}

TEST_F(Unpacking, ReplacingAFolderForgetsItsDescriptor) {
  tar_.add_dir("d");
  tar_.add_file("d/x", "x");
  tar_.add_symlink("d", "e");
  tar_.add_dir("e");
  tar_.add_file("d/y", "y");
  unpack();
  EXPECT_EQ(sys::read_file(at("e/y")), "y");
}

TEST_F(Unpacking, ModesAndTimesAreKept) {
  tar_.begin({.type = EntryType::directory, .path = "d", .mode = 01777, .mtime = {1'000'000'000, 5}});
  tar_.begin({.path = "d/su", .size = 1, .mode = 04755, .mtime = {-5, 250}});
  tar_.write("x");
  unpack();
  EXPECT_EQ(stat_of("d").st_mode & 07777, 01777u);
  EXPECT_EQ(stat_of("d").st_mtim.tv_sec, 1'000'000'000);
  EXPECT_EQ(stat_of("d").st_mtim.tv_nsec, 5);
  EXPECT_EQ(stat_of("d/su").st_mode & 07777, 04755u);
  EXPECT_EQ(stat_of("d/su").st_mtim.tv_sec, -5);
}

TEST_F(Unpacking, OwnersDevicesAndAttributes) {
  if (!is_root()) GTEST_SKIP() << "needs root";
  const std::string capability("\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 20);
  tar_.begin({.path = "ping", .mode = 0755, .uid = 12, .gid = 34, .xattrs = {{"security.capability", capability}}});
  tar_.begin({.type = EntryType::char_device, .path = "null", .mode = 0666, .device_major = 1, .device_minor = 3});
  tar_.begin({.type = EntryType::fifo, .path = "pipe", .mode = 0600});
  tar_.begin({.type = EntryType::symlink, .path = "l", .link = "ping", .mode = 0777, .uid = 7});
  unpack();
  char value[64];
  EXPECT_EQ(::getxattr(at("ping").c_str(), "security.capability", value, sizeof value), 20);
  EXPECT_EQ(stat_of("ping").st_uid, 12u);
  EXPECT_EQ(stat_of("l").st_uid, 7u);
  EXPECT_EQ(stat_of("null").st_rdev, makedev(1, 3));
  EXPECT_EQ(stat_of("null").st_mode & 07777, 0666u);
  EXPECT_TRUE(S_ISFIFO(stat_of("pipe").st_mode));
}

TEST_F(Unpacking, AttributesOfOverlayfsItselfAreDropped) {
  if (!is_root()) GTEST_SKIP() << "needs root";
  tar_.begin({.type = EntryType::directory, .path = "d", .mode = 0755, .xattrs = {{"trusted.overlay.redirect", "/x"}}});
  unpack(Whiteouts::overlay);
  char value[64];
  EXPECT_LT(::getxattr(at("d").c_str(), "trusted.overlay.redirect", value, sizeof value), 0);
}

TEST_F(Unpacking, WhiteoutsInOverlaysForm) {
  if (!is_root()) GTEST_SKIP() << "needs root";
  tar_.add_file("etc/.wh.passwd", "");
  tar_.add_file("var/.wh..wh..opq", "");
  tar_.add_file("var/kept", "x");
  tar_.add_file(".wh..wh.plnk", "");
  unpack(Whiteouts::overlay);
  EXPECT_TRUE(S_ISCHR(stat_of("etc/passwd").st_mode));
  EXPECT_EQ(stat_of("etc/passwd").st_rdev, 0u);
  char value = 0;
  EXPECT_EQ(::getxattr(at("var").c_str(), "trusted.overlay.opaque", &value, 1), 1);
  EXPECT_EQ(value, 'y');
  EXPECT_TRUE(sys::exists(at("var/kept")));
  EXPECT_EQ(sys::list_dir(root()).size(), 2u);
}

TEST_F(Unpacking, AWhiteoutHidesOnlyWhatIsBelow) {
  if (!is_root()) GTEST_SKIP() << "needs root";
  tar_.add_file("own", "x");
  tar_.add_file(".wh.own", "");
  tar_.add_file(".wh.again", "");
  tar_.add_dir("again");
  unpack(Whiteouts::overlay);
  EXPECT_EQ(sys::read_file(at("own")), "x");
  char value = 0;
  EXPECT_EQ(::getxattr(at("again").c_str(), "trusted.overlay.opaque", &value, 1), 1);
}

TEST_F(Unpacking, ABadWhiteoutIsRefused) {
  if (!is_root()) GTEST_SKIP() << "needs root";
  tar_.add_file("d/.wh...", "");
  EXPECT_THROW(unpack(Whiteouts::overlay), Error);
  expect_nothing_escaped();
}

TEST_F(Unpacking, ASparseBombTakesNoSpace) {
  const std::string map = "1\n0\n4\n";
  const auto record = [](const std::string& text) { return cat(text.size() + 4, " ", text, "\n"); };
  tar_.begin({.path = "holes", .size = 516});
  tar_.write(map + std::string(512 - map.size(), '\0') + "data");
  // The writer knows no sparse files: put their records in front by hand.
  const std::string records = record("GNU.sparse.major=1") + record("GNU.sparse.minor=0") +
                              record("GNU.sparse.name=bomb") + record("GNU.sparse.realsize=1099511627776");
  StringSink front;
  TarWriter writer{front};
  writer.begin({.path = "x", .size = records.size()});
  writer.write(records);
  std::string head = front.text.substr(0, 512);
  head[156] = 'x';
  unsigned sum = 0;
  for (std::size_t i = 0; i < 512; ++i) sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(head[i]);
  for (std::size_t i = 6; i-- > 0; sum >>= 3) head[148 + i] = static_cast<char>('0' + (sum & 7));
  tar_.finish();
  std::string body = records;
  body.resize(512, '\0');
  const std::string whole = head + body + sink_.text;
  StringSource source{whole};
  TarReader reader{source};
  Unpacker{root(), {.ownership = false}}.unpack(reader);
  EXPECT_EQ(stat_of("bomb").st_size, 1LL << 40);
  EXPECT_LT(stat_of("bomb").st_blocks, 64);
}

TEST_F(Unpacking, TooManyEntriesAreRefused) {
  for (int i = 0; i < 20; ++i) tar_.add_dir(cat("d", i));
  tar_.finish();
  StringSource source{sink_.text};
  TarReader reader{source};
  Unpacker unpacker{root(), {.ownership = false, .max_entries = 10}};
  EXPECT_THROW(unpacker.unpack(reader), Error);
}

TEST_F(Unpacking, TheRecipeGivesTheSameArchiveAgain) {
  tar_.add_file("a", std::string(100'000, 'a'));
  tar_.add_file("empty", "");
  tar_.add_symlink("link", "d");
  tar_.add_dir("d");
  tar_.add_file("link/through", "through a link");
  tar_.add_file("a", "again");
  tar_.add_file("d", "a file now");
  tar_.add_file("link", "the link too");
  tar_.add_file(std::string(200, 'p') + "/" + std::string(200, 'q'), "long");
  tar_.finish();
  const std::string tar = sink_.text + "what follows the end";
  StringSource source{tar};
  StringSink recipe;
  RecipeWriter writer{recipe};
  TarReader reader{source, &writer};
  Unpacker{root(), {.ownership = false, .recipe = &writer, .kept_dir = kept()}}.unpack(reader);
  writer.finish();
  const sys::UniqueFd folder = sys::open_file(dir_.path(), O_PATH | O_DIRECTORY);
  StringSource recipe_source{recipe.text};
  StringSink rebuilt;
  rebuild_archive(recipe_source, writer.moves(), folder, rebuilt);
  EXPECT_TRUE(rebuilt.text == tar);
}

TEST_F(Unpacking, ATreeComesBackFromItsTar) {
  tar_.add_dir("d", 0750);
  tar_.add_file("d/a", "x", 0640);
  tar_.add_hard_link("d/b", "d/a");
  tar_.add_symlink("l", "d/a");
  unpack();
  StringSink out;
  TarWriter writer{out};
  const sys::UniqueFd folder = sys::open_file(root(), O_RDONLY | O_DIRECTORY);
  write_tree(folder, writer, {.prefix = "p"});
  writer.finish();
  StringSource source{out.text};
  TarReader reader{source};
  std::vector<std::string> seen;
  while (auto entry = reader.next())
    seen.push_back(cat(entry->path, " ", static_cast<int>(entry->type), " ", entry->link));
  EXPECT_EQ(seen, (std::vector<std::string>{"p/d/ 5 ", "p/d/a 0 ", "p/d/b 1 p/d/a", "p/l 2 d/a"}));
}

TEST(CleanPath, IsLexicalAndNeverLeaves) {
  EXPECT_EQ(clean_path("/../a//./b/.."), "a");
  EXPECT_EQ(clean_path("../../.."), "");
  EXPECT_EQ(clean_path("./"), "");
}

// ---- into a tree that lives ----

class UnpackingBelow : public Unpacking {
 protected:
  /// Unpacks what `add` writes; the error's text, or "none".
  template <class Add>
  std::string unpacked(UnpackOptions options, Add add) {
    StringSink sink;
    TarWriter tar{sink};
    add(tar);
    tar.finish();
    StringSource source{sink.text};
    TarReader reader{source};
    options.ownership = is_root();
    try {
      Unpacker{root(), std::move(options)}.unpack(reader);
    } catch (const Error& error) {
      return error.text();
    }
    return "none";
  }
};

TEST_F(UnpackingBelow, LinksMeanWhatTheyMeanFromTheRoot) {
  sys::ensure_dir(at("dest"));
  sys::ensure_dir(at("target"));
  EXPECT_EQ(unpacked({.base = "/dest"},
                     [](TarWriter& tar) {
                       tar.add_symlink("link", "/target");
                       tar.add_file("link/f", "x");
                     }),
            "none");
  EXPECT_EQ(sys::read_file(at("target/f")), "x");
}

TEST_F(UnpackingBelow, EscapesAreRefusedWithDockersTexts) {
  const UnpackOptions options{.base = "d", .refuse_escapes = true};
  EXPECT_EQ(unpacked(options, [](TarWriter& tar) { tar.add_file("../up", "x"); }), "\"../up\" is outside of \"/d\"");
  EXPECT_EQ(unpacked(options, [](TarWriter& tar) { tar.add_symlink("out", "../../etc"); }),
            "invalid symlink \"/d/out\" -> \"../../etc\"");
  EXPECT_EQ(unpacked(options, [](TarWriter& tar) { tar.add_hard_link("h", "../etc/passwd"); }),
            "invalid hardlink \"/etc/passwd\" -> \"../etc/passwd\"");
  EXPECT_EQ(unpacked(options, [](TarWriter& tar) { tar.add_symlink("in", "/etc/x"); }), "none");
  EXPECT_EQ(unpacked(options, [](TarWriter& tar) { tar.add_file("/abs", "x"); }), "none");
  EXPECT_EQ(sys::read_file(at("d/abs")), "x");
}

TEST_F(UnpackingBelow, KindsAreKept) {
  const UnpackOptions options{.base = "d", .keep_kinds = true};
  sys::ensure_dir(at("d/folder"));
  sys::write_file(at("d/file"), "x");
  EXPECT_EQ(unpacked(options, [](TarWriter& tar) { tar.add_file("folder", "x"); }),
            "cannot overwrite directory \"/d/folder\" with non-directory \"/d\"");
  EXPECT_EQ(unpacked(options, [](TarWriter& tar) { tar.add_dir("file"); }),
            "cannot overwrite non-directory \"/d/file\" with directory \"/d\"");
}

TEST(GoClean, AsGoDoesIt) {
  const std::pair<const char*, const char*> kCases[] = {{"", "."},        {"/", "/"},        {"a//b/./c", "a/b/c"},
                                                        {"../a", "../a"}, {"a/../..", ".."}, {"/../a", "/a"},
                                                        {"/a/..", "/"},   {"a/..", "."},     {"../../x", "../../x"}};
  for (const auto& [path, clean] : kCases) EXPECT_EQ(go_clean(path), clean) << path;
}

}  // namespace
}  // namespace berth::archive
