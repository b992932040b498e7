#include "image/documents.h"

#include <gtest/gtest.h>

#include "base/core/error.h"
#include "base/core/text.h"

namespace berth::image {
namespace {

const std::string kDigest = cat("sha256:", std::string(64, 'a'));

std::string error_of(auto&& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.text();
  }
  return "none";
}

std::string list_of(std::string_view entry, std::size_t count) {
  std::string list = "[";
  for (std::size_t i = 0; i < count; ++i) list += cat(i == 0 ? "" : ",", entry);
  return list + "]";
}

std::string manifest_with(std::string_view layer) {
  return cat(R"({"config":{"digest":")", kDigest, R"("},"layers":[)", layer, "]}");
}

std::string sized(std::string_view size) { return cat(R"({"digest":")", kDigest, R"(","size":)", size, "}"); }

TEST(ImageDocuments, ADocumentKnowsBestWhatItIs) {
  EXPECT_EQ(type_of(R"({"mediaType":"a/b","manifests":[]})", "c/d"), "a/b");
  EXPECT_EQ(type_of(R"({"manifests":[]})", "application/json"), oci::kMediaIndex);
  EXPECT_EQ(type_of(R"({"Manifests":[]})", "application/json"), oci::kMediaIndex);
  EXPECT_EQ(type_of(R"({"config":{}})", "application/json"), oci::kMediaManifest);
  EXPECT_EQ(type_of("{}", "c/d"), "c/d");
  EXPECT_TRUE(is_schema1(type_of(R"({"schemaVersion":1,"mediaType":"a/b"})", "c/d")));
  EXPECT_EQ(error_of([] { type_of("<html>", "text/html"); }).substr(0, 13), "invalid JSON:");
  EXPECT_EQ(error_of([] { type_of("[]", ""); }), "the manifest is no JSON object");
}

TEST(ImageDocuments, NothingIsAnImageAndAnIndexAtOnce) {
  const std::string words = "the document is an image's manifest and an index at once";
  const std::string both = cat(R"({"manifests":[],"config":{"digest":")", kDigest, "\"}}");
  EXPECT_EQ(error_of([&] { parse_manifest(both); }), words);
  EXPECT_EQ(error_of([&] { parse_index(both); }), words);
  EXPECT_EQ(error_of([&] { parse_index(R"({"manifests":[],"LAYERS":[]})"); }), words);
  EXPECT_EQ(error_of([&] { parse_index(R"({"manifests":[],"layers":null})"); }), "none");
}

TEST(ImageDocuments, SizesAreThoseThatAFileCanHave) {
  EXPECT_EQ(error_of([] { parse_manifest(manifest_with(sized("9007199254740992"))); }), "none");
  for (const char* size : {"-1", "9007199254740993", "9223372036854775807"}) {
    EXPECT_EQ(error_of([&] { parse_manifest(manifest_with(sized(size))); }),
              cat("invalid size of ", kDigest, ": ", size));
  }
  for (const char* size : {"9223372036854775808", "1e300", "1.5", "\"1\""}) {
    EXPECT_TRUE(error_of([&] { parse_manifest(manifest_with(sized(size))); }).starts_with("json: cannot unmarshal"));
  }
}

TEST(ImageDocuments, DigestsAreDigests) {
  for (const char* digest : {"", "sha256:", "sha256:../../etc/passwd", "md5:aa", "SHA256:aa"}) {
    const std::string layer = cat(R"({"digest":")", digest, "\"}");
    EXPECT_EQ(error_of([&] { parse_manifest(manifest_with(layer)); }), "invalid checksum digest format") << digest;
    EXPECT_EQ(error_of([&] { parse_index(cat(R"({"manifests":[)", layer, "]}")); }), "invalid checksum digest format");
    EXPECT_EQ(error_of([&] { parse_config(cat(R"({"rootfs":{"diff_ids":[")", digest, "\"]}}")); }),
              "invalid checksum digest format");
  }
}

TEST(ImageDocuments, ListsAndDocumentsHaveAnEndHoweverTheirNamesAreWritten) {
  const std::string words = "a document has a list of more than 10000 entries";
  for (const char* name : {"layers", "Layers", "LAYERS"}) {
    EXPECT_EQ(error_of([&] { parse_manifest(cat("{\"", name, "\":", list_of("{}", 10'001), "}")); }), words);
  }
  EXPECT_EQ(error_of([&] { parse_index(cat(R"({"manifestS":)", list_of("{}", 10'001), "}")); }), words);
  EXPECT_EQ(error_of([&] { parse_config(cat(R"({"rootfs":{"diff_ids":)", list_of("\"\"", 10'001), "}}")); }), words);
  const std::string many = "a document has more than 200000 values";
  EXPECT_EQ(error_of([&] { parse_config(cat(R"({"history":)", list_of("{}", 200'000), "}")); }), many);
  EXPECT_EQ(error_of([&] { parse_document(list_of("[]", 200'000)); }), many);
  // What stands in strings counts for nothing.
  EXPECT_EQ(error_of([&] { parse_document(cat("[\"\\\"", std::string(300'000, ','), "\"]")); }), "none");
}

TEST(ImageDocuments, DeepOnesAreRefused) {
  EXPECT_NE(error_of([] { parse_document(std::string(100'000, '[')); }), "none");
  EXPECT_NE(
      error_of([] { parse_config(cat(R"({"rootfs":{},"x":)", std::string(80, '['), std::string(80, ']'), "}")); }),
      "none");
}

TEST(ImageDocuments, APromiseIsKept) {
  oci::Descriptor promise{.media_type = {}, .digest = kDigest, .size = 2};
  EXPECT_TRUE(error_of([&] { check_document(promise, "{}"); }).starts_with("invalid content: expected digest"));
  promise.digest = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
  EXPECT_EQ(error_of([&] { check_document(promise, "{}"); }), "none");
  promise.size = 3;
  EXPECT_EQ(error_of([&] { check_document(promise, "{}"); }),
            cat("size validation failed: ", promise.digest, " has 2 bytes, expected 3"));
}

}  // namespace
}  // namespace berth::image
