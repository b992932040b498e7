#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>

#include "archive/chunks.h"
#include "archive/digest.h"
#include "archive/tar_reader.h"
#include "archive/tar_writer.h"
#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"
#include "image/image_store.h"

namespace berth::image {
namespace {

using archive::StringSink;
using archive::StringSource;
using archive::TarWriter;

std::string layer_with(const std::string& path, const std::string& content) {
  StringSink sink;
  TarWriter tar{sink};
  tar.add_file(path, content);
  tar.finish();
  return sink.text;
}

struct Archive {
  std::string id, bytes;
};

/// A docker-archive of one image; `lie` makes its config promise another first layer.
Archive make_archive(const std::vector<std::string>& layers, const std::string& tag, bool lie = false) {
  std::string diffs, paths;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    diffs += cat(i == 0 ? "" : ",", "\"", archive::sha256(lie && i == 0 ? "other" : layers[i]), "\"");
    paths += cat(i == 0 ? "" : ",", "\"", i, "/layer.tar\"");
  }
  const std::string config =
      cat(R"({"architecture":"amd64","os":"linux","config":{"Cmd":["sh"],"Labels":{"a":"b"}},)",
          R"("rootfs":{"type":"layers","diff_ids":[)", diffs, R"(]},"history":[{"created_by":"x"}]})");
  StringSink sink;
  TarWriter tar{sink};
  for (std::size_t i = 0; i < layers.size(); ++i) tar.add_file(cat(i, "/layer.tar"), layers[i]);
  tar.add_file("config.json", config);
  const std::string tags = tag.empty() ? "null" : cat("[\"", tag, "\"]");
  tar.add_file("manifest.json", cat(R"([{"Config":"config.json","RepoTags":)", tags, R"(,"Layers":[)", paths, "]}]"));
  tar.finish();
  return {archive::sha256(config), sink.text};
}

/// A store of its own; both drivers need root to make whiteouts and owners.
class Images : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    open();
  }
  void TearDown() override { close(); }
  void open() {
    database_ = std::make_unique<db::Database>(loop_, dir_.path() + "/state.db");
    driver_ = graph::open_driver(dir_.path(), GetParam());
    store_ = open_store({.root = dir_.path(),
                         .driver = driver_.get(),
                         .database = database_.get(),
                         .find_uses = [this] { return uses_; },
                         .on_event = {}});
    store_->collect();
  }
  void close() {
    store_.reset();
    driver_.reset();
    database_.reset();
  }
  std::string load(const std::string& archive) {
    StringSource source{archive};
    StringSink progress;
    store_->load(source, progress, true, {});
    return progress.text;
  }
  std::string error_of(const std::function<void()>& work) {
    try {
      work();
    } catch (const Error& error) {
      return error.text();
    }
    return "none";
  }
  std::vector<std::string> staged() const {
    std::vector<std::string> names;
    for (const std::string& name : sys::list_dir(cat(dir_.path(), "/", GetParam()))) {
      if (name.starts_with("tmp-") || name.starts_with("trash-")) names.push_back(name);
    }
    return names;
  }

  EventLoop loop_;
  sys::TemporaryDir dir_{"/var/tmp", "berth-images-"};
  std::vector<ContainerUse> uses_;
  std::unique_ptr<db::Database> database_;
  std::unique_ptr<graph::Driver> driver_;
  std::unique_ptr<ImageStore> store_;
};

TEST_P(Images, ALoadedImageIsThereAfterARestart) {
  const Archive archive = make_archive({layer_with("a", "1"), layer_with("b", "2")}, "team/app:1");
  EXPECT_EQ(load(archive.bytes), "{\"stream\":\"Loaded image: team/app:1\\n\"}\r\n");
  close();
  open();
  const ResolvedImage image = store_->get("team/app:1");
  EXPECT_EQ(image.id, archive.id);
  EXPECT_EQ(image.config.cmd.items, std::vector<std::string>{"sh"});
  EXPECT_EQ(image.chain_ids.size(), 2u);
  EXPECT_EQ(store_->get(archive.id.substr(7, 8)).id, archive.id);
  EXPECT_EQ(store_->list().at(0).labels.at("a"), "b");
}

TEST_P(Images, ALyingDigestLeavesNothing) {
  const Archive archive = make_archive({layer_with("a", "1"), layer_with("b", "2")}, "x:1", true);
  EXPECT_NE(load(archive.bytes).find("invalid diffID for layer 0: expected"), std::string::npos);
  EXPECT_TRUE(store_->list().empty());
  EXPECT_TRUE(driver_->list_layers().empty());
  EXPECT_TRUE(staged().empty());
}

TEST_P(Images, ATruncatedArchiveLeavesNothing) {
  const Archive archive = make_archive({layer_with("a", std::string(10'000, 'x'))}, "x:1");
  for (std::size_t size : {std::size_t{700}, std::size_t{5'000}, archive.bytes.size() - 2'000}) {
    EXPECT_NE(load(archive.bytes.substr(0, size)).find("\"error\":"), std::string::npos) << size;
  }
  EXPECT_TRUE(driver_->list_layers().empty());
  EXPECT_TRUE(staged().empty());
}

TEST_P(Images, TheSameLayerTwiceAndOnAnotherParent) {
  const std::string layer = layer_with("a", "1"), other = layer_with("b", "2");
  load(make_archive({layer, other, layer}, "x:1").bytes);
  EXPECT_EQ(driver_->list_layers().size(), 3u);
  load(make_archive({other, layer}, "x:2").bytes);
  EXPECT_EQ(driver_->list_layers().size(), 5u);
}

TEST_P(Images, LoadsOfTheSameLayersAtOnceDoNotDisturbEachOther) {
  const std::string layer = layer_with("a", std::string(200'000, 'a'));
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      for (int round = 0; round < 3; ++round) {
        load(make_archive({layer, layer_with("own", cat(i))}, cat("x:", i), i % 4 == 3).bytes);
        if (i % 4 == 2) error_of([&] { store_->remove(cat("x:", i), true, true); });
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (int i : {0, 1, 4, 5}) {
    const ResolvedImage image = store_->get(cat("x:", i));
    for (const std::string& chain : image.chain_ids) EXPECT_TRUE(driver_->has_layer(chain));
  }
  EXPECT_EQ(store_->list().size(), 4u);
  EXPECT_EQ(driver_->list_layers().size(), 5u);
  EXPECT_TRUE(staged().empty());
}

TEST_P(Images, SavedLayersAreBitForBitWhatWasLoaded) {
  const std::string layer = layer_with("a", std::string(300'000, 'a')) + std::string(5'000, '\0');
  const Archive archive = make_archive({layer}, "x:1");
  load(archive.bytes);
  StringSink saved;
  store_->save({"x"}, {}, saved);
  store_->remove("x:1", false, true);
  EXPECT_TRUE(driver_->list_layers().empty());
  EXPECT_NE(load(saved.text).find("Loaded image: x:1"), std::string::npos);
  EXPECT_EQ(store_->get("x:1").id, archive.id);
}

TEST_P(Images, DamageIsFoundWhenSavingAndHarmsNobodyElse) {
  const Archive archive = make_archive({layer_with("a", "1")}, "x:1");
  load(archive.bytes);
  load(make_archive({layer_with("b", "2")}, "y:1").bytes);
  sys::write_file(cat(driver_->layer_dir(store_->get("x:1").chain_ids[0]), "/a"), "X");
  sys::write_file(cat(dir_.path(), "/content/blobs/sha256/", archive.id.substr(7)), "{}");
  close();
  open();
  StringSink saved;
  EXPECT_NE(error_of([&] { store_->get("x:1"); }).find("damaged; remove the image and load or pull it again"),
            std::string::npos);
  store_->save({"y:1"}, {}, saved);
  store_->remove("x:1", false, true);
  load(archive.bytes);
  store_->save({"x:1"}, {}, saved);
}

TEST_P(Images, WhatAKilledLoadLeftIsGoneAtTheNextStart) {
  load(make_archive({layer_with("a", "1")}, "x:1").bytes);
  auto staged_layer = driver_->begin_layer();
  staged_layer->commit(archive::sha256("never recorded"), "");
  sys::make_dir(cat(dir_.path(), "/", GetParam(), "/tmp-0123"));
  sys::write_file(cat(dir_.path(), "/content/blobs/sha256/", std::string(64, 'a')), "orphan");
  close();
  open();
  EXPECT_EQ(driver_->list_layers(), store_->get("x:1").chain_ids);
  EXPECT_FALSE(sys::exists(cat(dir_.path(), "/content/blobs/sha256/", std::string(64, 'a'))));
}

TEST_P(Images, RemovingFollowsDockersRules) {
  const Archive archive = make_archive({layer_with("a", "1")}, "x:1");
  load(archive.bytes);
  store_->tag("x:1", "y", "");
  const std::string brief = archive.id.substr(7, 12);
  EXPECT_EQ(
      error_of([&] { store_->remove(brief, false, true); }),
      cat("conflict: unable to delete ", brief, " (must be forced) - image is referenced in multiple repositories"));
  EXPECT_EQ(store_->remove("y", false, true).at(0).untagged, "y:latest");
  uses_ = {{"c0ffee0123456789", archive.id, "x:1", false}};
  EXPECT_EQ(
      error_of([&] { store_->remove("x:1", false, true); }),
      cat("conflict: unable to remove repository reference \"x:1\" (must force) - container c0ffee012345 is using its "
          "referenced image ",
          brief));
  EXPECT_EQ(error_of([&] { store_->remove(brief, false, true); }),
            cat("conflict: unable to delete ", brief,
                " (must be forced) - image is being used by stopped container c0ffee012345"));
  uses_[0].running = true;
  EXPECT_EQ(error_of([&] { store_->remove(brief, true, true); }),
            cat("conflict: unable to delete ", brief,
                " (cannot be forced) - image is being used by running container c0ffee012345"));
  EXPECT_EQ(error_of([&] { store_->remove("nosuch", true, true); }), "No such image: nosuch:latest");
  uses_.clear();
  EXPECT_EQ(store_->remove("x:1", false, true).size(), 3u);  // untagged, image, layer
}

TEST_P(Images, LayersUnderAContainerOutliveTheirImage) {
  load(make_archive({layer_with("a", "1")}, "x:1").bytes);
  const ResolvedImage image = store_->get("x:1");
  driver_->create_container_layer("c1", image.chain_ids);
  store_->remove("x:1", true, true);
  close();
  open();
  EXPECT_TRUE(driver_->has_layer(image.chain_ids[0]));
  driver_->remove_container_layer("c1");
  close();
  open();
  EXPECT_FALSE(driver_->has_layer(image.chain_ids[0]));
}

TEST_P(Images, AnImportIsAnImageOfOneLayer) {
  const std::string tar = layer_with("etc/motd", "hi");
  StringSource again{tar};
  StringSink progress;
  const std::string id = store_->import(again, progress, "base", "", {}, "");
  EXPECT_EQ(progress.text, cat("{\"status\":\"", id, "\"}\r\n"));
  EXPECT_EQ(store_->inspect("base", "").comment, "Imported from -");
  EXPECT_EQ(store_->history("base", "").at(0).size, 2);
  EXPECT_EQ(store_->inspect("base", "").root_fs.layers.at(0), archive::sha256(tar));
}

INSTANTIATE_TEST_SUITE_P(Drivers, Images, ::testing::Values("overlay2", "vfs"));

}  // namespace
}  // namespace berth::image
