#include "image/kept_blob.h"

#include <gtest/gtest.h>

#include "archive/chunks.h"
#include "archive/digest.h"
#include "base/sys/file.h"

namespace berth::image {
namespace {

class KeptBlobTest : public ::testing::Test {
 protected:
  std::string make_folder(const std::string& name) {
    std::string path = dir_.path() + "/" + name;
    sys::make_dir(path);
    return path;
  }

  /// Reads `text` through a keeper, as a layer of its own.
  void keep(const std::string& folder, const std::string& text, BlobKeeping& keeping, bool wanted = true) {
    archive::StringSource origin{text};
    BlobKeeper keeper{origin, folder, keeping, wanted};
    std::string taken;
    char piece[7];
    while (const std::size_t got = keeper.read(piece, sizeof piece)) taken.append(piece, got);
    EXPECT_EQ(taken, text);
    keeper.finish(archive::sha256(text));
  }

  static std::string read(const KeptBlob& blob) {
    archive::StringSink sink;
    write_kept_blob(blob, sink);
    return sink.text;
  }

  sys::TemporaryDir dir_{"/tmp"};
  int dropped_ = 0;
  BlobKeeping keeping_{true, [this] { ++dropped_; }};
};

TEST_F(KeptBlobTest, ComesBackAsItWent) {
  const std::string folder = make_folder("layer"), text = "(\xB5/\xFD and so on";
  keep(folder, text, keeping_);
  const auto kept = open_kept_blob(folder);
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->digest, archive::sha256(text));
  EXPECT_EQ(kept->size, text.size());
  EXPECT_TRUE(kept->is_zstd);
  EXPECT_EQ(read(*kept), text);
  EXPECT_EQ(read(*kept), text);
  EXPECT_EQ(settle_kept_blob(folder), text.size());
  drop_kept_blob(folder);
  EXPECT_FALSE(open_kept_blob(folder));
  EXPECT_TRUE(sys::list_dir(folder).empty());
}

TEST_F(KeptBlobTest, WhatIsNotWantedIsNotWritten) {
  const std::string folder = make_folder("layer");
  keep(folder, "text", keeping_, false);
  BlobKeeping off{false, [] {}};
  keep(folder, "text", off);
  EXPECT_TRUE(sys::list_dir(folder).empty());
  EXPECT_EQ(settle_kept_blob(folder), 0u);
}

TEST_F(KeptBlobTest, StoppedInTheMiddleItLeavesNothing) {
  const std::string folder = make_folder("layer"), text(100, 'x');
  archive::StringSource origin{text};
  BlobKeeper keeper{origin, folder, keeping_, true};
  char piece[10];
  keeper.read(piece, sizeof piece);
  keeping_.stop();
  keeping_.stop();
  EXPECT_EQ(dropped_, 1);
  EXPECT_EQ(keeper.read(piece, sizeof piece), sizeof piece);
  EXPECT_TRUE(sys::list_dir(folder).empty());
  keeper.finish(archive::sha256(text));
  EXPECT_TRUE(sys::list_dir(folder).empty());
}

TEST_F(KeptBlobTest, ThatItCannotBeKeptIsNoFailure) {
  const std::string folder = make_folder("layer");
  sys::write_file(folder + "/blob", "in the way");
  keep(folder, "text", keeping_);
  EXPECT_EQ(dropped_, 1);
  EXPECT_FALSE(open_kept_blob(folder));
}

TEST_F(KeptBlobTest, DamageIsSaid) {
  const std::string folder = make_folder("layer");
  keep(folder, "what it was", keeping_);
  sys::write_file(folder + "/blob", "what it is!");
  EXPECT_THROW(read(*open_kept_blob(folder)), DamagedBlob);
  const auto longer = open_kept_blob(folder);
  sys::write_file(folder + "/blob", "short");
  EXPECT_THROW(read(*longer), DamagedBlob);
  sys::remove_file(folder + "/blob");
  EXPECT_TRUE(has_kept_blob(folder));
  EXPECT_FALSE(open_kept_blob(folder));
}

TEST_F(KeptBlobTest, HalfOfOneIsNone) {
  const std::string folder = make_folder("layer");
  sys::write_file(folder + "/blob", "without its digest");
  EXPECT_FALSE(open_kept_blob(folder));
  EXPECT_EQ(kept_blob_size(folder), 0u);
  EXPECT_EQ(sys::list_dir(folder).size(), 1u);
  EXPECT_EQ(settle_kept_blob(folder), 0u);
  EXPECT_TRUE(sys::list_dir(folder).empty());
  keep(folder, "text", keeping_);
  sys::remove_file(folder + "/blob");
  EXPECT_EQ(settle_kept_blob(folder), 0u);
  EXPECT_TRUE(sys::list_dir(folder).empty());
}

TEST_F(KeptBlobTest, MovesWhereThereIsNone) {
  const std::string one = make_folder("one"), other = make_folder("other"), third = make_folder("third");
  keep(one, "one", keeping_);
  move_kept_blob(one, other);
  EXPECT_TRUE(sys::list_dir(one).empty());
  EXPECT_EQ(read(*open_kept_blob(other)), "one");
  keep(third, "third", keeping_);
  move_kept_blob(third, other);
  EXPECT_EQ(read(*open_kept_blob(other)), "one");
  EXPECT_EQ(read(*open_kept_blob(third)), "third");
}

}  // namespace
}  // namespace berth::image
