#include "image/incoming.h"

#include <gtest/gtest.h>

#include "archive/digest.h"
#include "base/core/error.h"
#include "base/core/text.h"
#include "oci/digest.h"

namespace berth::image {
namespace {

constexpr std::string_view kIndex = "application/vnd.oci.image.index.v1+json",
                           kManifest = "application/vnd.oci.image.manifest.v1+json";

/// An OCI layout of images without layers.
struct Layout {
  ArchiveContent content;

  std::string put(const std::string& text) {
    const std::string digest = archive::sha256(text);
    content.documents[cat("blobs/sha256/", oci::digest_hex(digest))] = text;
    return digest;
  }
  std::string put_config(std::size_t padding = 0) {
    return put(cat(R"({"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":[]},"author":")",
                   std::string(padding, 'x'), "\"}"));
  }
  std::string put_image(const std::string& config) {
    return put(cat(R"({"schemaVersion":2,"config":{"digest":")", config, R"("},"layers":[]})"));
  }
  static std::string entry(std::string_view type, std::string_view digest) {
    return cat(R"({"mediaType":")", type, R"(","digest":")", digest, "\"}");
  }
  static std::string list_of(const std::string& entry, std::size_t count) {
    std::string list = entry;
    for (std::size_t i = 1; i < count; ++i) list += cat(",", entry);
    return cat("[", list, "]");
  }
  static std::string index_of(const std::string& entry, std::size_t count) {
    return cat(R"({"schemaVersion":2,"manifests":)", list_of(entry, count), "}");
  }
  std::string outcome(const std::string& index, const char* name = "index.json") {
    content.documents[name] = index;
    try {
      return cat("found ", find_images(content, {}).size());
    } catch (const Error& error) {
      return error.text();
    }
  }
};

TEST(IncomingImages, AnIndexThatNamesTheNextOneAThousandTimesLeadsThereOnce) {
  Layout layout;
  std::string inner = layout.put(R"({"manifests":[]})");
  for (int depth = 0; depth < 3; ++depth) inner = layout.put(Layout::index_of(Layout::entry(kIndex, inner), 1'000));
  EXPECT_EQ(layout.outcome(Layout::index_of(Layout::entry(kIndex, inner), 10)), "the archive has no image");
}

TEST(IncomingImages, AManifestThatAnIndexNamesOftenIsOneImage) {
  Layout layout;
  const std::string image = layout.put_image(layout.put_config(1 << 20));
  const std::string index = layout.put(Layout::index_of(Layout::entry(kManifest, image), 900));
  EXPECT_EQ(layout.outcome(Layout::index_of(Layout::entry(kIndex, index), 1)), "found 1");
}

TEST(IncomingImages, SeveralNamesMayStandForOneImage) {
  Layout layout;
  EXPECT_EQ(layout.outcome(Layout::index_of(Layout::entry(kManifest, layout.put_image(layout.put_config())), 300)),
            "found 300");
}

TEST(IncomingImages, CopiesOfALargeOneEnd) {
  const std::string words = "the archive's images are too large together";
  Layout layout;
  const std::string config = layout.put_config(1 << 20);
  EXPECT_EQ(layout.outcome(Layout::index_of(Layout::entry(kManifest, layout.put_image(config)), 100)), words);
  const std::string item = cat(R"({"Config":"blobs/sha256/)", oci::digest_hex(config), R"(","Layers":[]})");
  EXPECT_EQ(layout.outcome(Layout::list_of(item, 3), "manifest.json"), "found 3");
  EXPECT_EQ(layout.outcome(Layout::list_of(item, 100), "manifest.json"), words);
}

TEST(IncomingImages, ListsHaveAnEnd) {
  const std::string words = "a document has a list of more than 10000 entries", many = Layout::list_of("{}", 10'001);
  Layout layout;
  EXPECT_EQ(layout.outcome(cat(R"({"manifests":)", many, "}")), words);
  const std::string index = layout.put(cat(R"({"manifests":)", many, "}"));
  EXPECT_EQ(layout.outcome(Layout::index_of(Layout::entry(kIndex, index), 1)), words);
  const std::string manifest = layout.put(cat(R"({"layers":)", many, "}"));
  EXPECT_EQ(layout.outcome(Layout::index_of(Layout::entry(kManifest, manifest), 1)), words);
  EXPECT_EQ(layout.outcome(many, "manifest.json"), words);
}

}  // namespace
}  // namespace berth::image
