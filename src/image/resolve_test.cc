#include "image/resolve.h"

#include <gtest/gtest.h>

#include <map>

#include "archive/digest.h"
#include "base/core/error.h"
#include "base/core/text.h"
#include "image/platform.h"

namespace berth::image {
namespace {

/// Has documents and nothing else.
class Registry final : public Remote {
 public:
  std::map<std::string, std::string> documents;  ///< by tag or digest
  std::map<std::string, std::string> types;      ///< what it calls them, where not JSON
  int asked = 0;

  std::string put(const std::string& text) {
    const std::string digest = archive::sha256(text);
    documents[digest] = text;
    return entry(oci::kMediaManifest, digest);
  }
  std::string put_index(const std::string& entries) {
    const std::string text = cat(R"({"manifests":[)", entries, "]}");
    put(text);
    documents["latest"] = text;
    return entry(oci::kMediaIndex, archive::sha256(text));
  }
  static std::string entry(std::string_view type, std::string_view digest, std::string_view more = "") {
    return cat(R"({"mediaType":")", type, R"(","digest":")", digest, "\"", more, "}");
  }

  RemoteManifest get_manifest(const std::string& name) override {
    ++asked;
    const auto at = documents.find(name);
    if (at == documents.end()) throw not_found("manifest unknown");
    const auto type = types.find(name);
    return {.media_type = type == types.end() ? "application/json" : type->second, .text = at->second, .digest = {}};
  }
  std::unique_ptr<ByteSource> open_blob(const oci::Descriptor&) override { return nullptr; }
  bool distrust_blob(const std::string&) override { return false; }
  bool has_manifest(const std::string&) override { return false; }
  Remote& source(const oci::Reference&) override { return *this; }
  bool has_blob(const std::string&) override { return false; }
  bool mount_blob(const std::string&, const std::string&) override { return false; }
  std::unique_ptr<Upload> begin_blob() override { return nullptr; }
  void put_manifest(const std::string&, const std::string&, const std::string&) override {}
  void interrupt() override {}
};

std::string image(std::string_view architecture) {
  return cat(R"({"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":")",
             archive::sha256(architecture), R"("},"layers":[]})");
}

std::string outcome(Registry& registry, ResolvedManifest* found = nullptr) {
  oci::Reference name{.domain = "here", .path = "image", .tag = "latest", .digest = {}};
  try {
    ResolvedManifest resolved = resolve_manifest(registry, name, parse_platform("linux/amd64"));
    if (found != nullptr) *found = resolved;
    return cat("found, ", resolved.index_texts.size(), " indexes");
  } catch (const Error& error) {
    return error.text();
  }
}

TEST(Resolve, IndexesForOthersAreKeptAndEachIsAskedForOnce) {
  Registry registry;
  const std::string ours = registry.put_index(registry.put(image("amd64")));
  const std::string theirs = registry.put_index(registry.put(image("arm64")));
  const std::string around = registry.put_index(cat(theirs, ",", ours));
  const std::string absent = Registry::entry(oci::kMediaIndex, archive::sha256("nobody has it"));
  registry.put_index(cat(ours, ",", around, ",", theirs, ",", ours, ",", absent));
  ResolvedManifest found;
  EXPECT_EQ(outcome(registry, &found), "found, 4 indexes");
  EXPECT_EQ(found.index_texts.front(), registry.documents["latest"]);
  EXPECT_EQ(found.digest, archive::sha256(registry.documents["latest"]));
  EXPECT_EQ(found.manifest_text, image("amd64"));
  EXPECT_EQ(registry.asked, 6);  // with what is absent
}

TEST(Resolve, ItHasAnEndHoweverDeepOrWide) {
  Registry registry;
  std::string deep = registry.put(image("amd64"));
  for (int i = 0; i < 10; ++i) deep = registry.put_index(deep);
  EXPECT_EQ(outcome(registry), "the image's indexes are nested too deeply");
  EXPECT_LT(registry.asked, 10);
  std::string wide;
  for (int i = 0; i < 100; ++i) wide += cat(i == 0 ? "" : ",", registry.put_index(registry.put(image(cat("cpu", i)))));
  registry.put_index(wide);
  registry.asked = 0;
  EXPECT_EQ(outcome(registry), "the image's index leads to too many others");
  EXPECT_LT(registry.asked, 40);
}

TEST(Resolve, MediaTypesThatLie) {
  Registry registry;
  // Called a manifest, and an index: looked into.
  registry.put_index(registry.put(cat(R"({"manifests":[)", registry.put(image("amd64")), "]}")));
  EXPECT_EQ(outcome(registry), "found, 2 indexes");
  // Called an index, and a manifest: nothing for anybody.
  registry.put(image("amd64"));
  registry.put_index(Registry::entry(oci::kMediaIndex, archive::sha256(image("amd64"))));
  EXPECT_EQ(outcome(registry), "no matching manifest for linux/amd64 in the manifest list entries");
  // It says itself that it is an index.
  registry.documents["latest"] = cat(R"({"mediaType":")", oci::kMediaIndex, "\",", image("amd64").substr(1));
  EXPECT_EQ(outcome(registry), "no matching manifest for linux/amd64 in the manifest list entries");
  registry.documents["latest"] = image("amd64");
  registry.types["latest"] = "text/html";
  EXPECT_EQ(outcome(registry), "found, 0 indexes");
  registry.documents["latest"] = "<!DOCTYPE html>";
  EXPECT_TRUE(outcome(registry).starts_with("invalid JSON"));
  registry.documents["latest"] = R"({"config":{"mediaType":"application/vnd.oci.empty.v1+json"}})";
  EXPECT_EQ(outcome(registry), "invalid checksum digest format");
}

TEST(Resolve, WhatIsNotAsPromised) {
  Registry registry;
  const std::string text = image("amd64"), digest = archive::sha256(text);
  registry.put(text);
  registry.put_index(Registry::entry(oci::kMediaManifest, digest, R"(,"size":17)"));
  EXPECT_EQ(outcome(registry), cat("size validation failed: ", digest, " has ", text.size(), " bytes, expected 17"));
  registry.put_index(Registry::entry(oci::kMediaManifest, digest));
  registry.documents[digest] = image("arm64");
  EXPECT_EQ(outcome(registry), cat("manifest verification failed for digest ", digest));
}

}  // namespace
}  // namespace berth::image
