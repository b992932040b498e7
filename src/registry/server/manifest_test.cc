#include "registry/server/manifest.h"

#include <gtest/gtest.h>

#include "archive/digest.h"
#include "registry/server/errors.h"

namespace berth::registry::server {
namespace {

const std::string kA = "sha256:" + std::string(64, 'a'), kB = "sha256:" + std::string(64, 'b'),
                  kC = "sha256:" + std::string(64, 'c');
constexpr std::string_view kType = "application/vnd.oci.image.manifest.v1+json";

TEST(ReadManifest, FindsWhatItRefersTo) {
  const std::string text = R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",
    "config":{"mediaType":"application/x.config","digest":")" +
                           kA + R"(","size":1},
    "layers":[{"mediaType":"l","digest":")" +
                           kB + R"(","size":2},
              {"mediaType":"l","digest":")" +
                           kC + R"(","size":2,"urls":["https://x"]}],
    "subject":{"digest":")" +
                           kC + R"("},"annotations":{"k":"v"}})";
  const NewManifest manifest = read_manifest(text, kType);
  EXPECT_EQ(manifest.digest, archive::sha256(text));
  EXPECT_EQ(manifest.blobs, (std::vector<std::string>{kA, kB}));
  EXPECT_EQ(manifest.subject, kC);
  EXPECT_EQ(manifest.artifact_type, "application/x.config");
  EXPECT_EQ(manifest.annotations_json, "{\"k\":\"v\"}");
}

TEST(ReadManifest, AnArtifactTypeOfItsOwnWins) {
  const std::string text = R"({"artifactType":"a/b","config":{"mediaType":"c","digest":")" + kA + R"("}})";
  EXPECT_EQ(read_manifest(text, kType).artifact_type, "a/b");
}

TEST(ReadManifest, AnIndexNamesManifests) {
  const std::string text = R"({"manifests":[{"digest":")" + kA + R"("}]})";
  EXPECT_EQ(read_manifest(text, "application/vnd.oci.image.index.v1+json; charset=utf-8").manifests,
            std::vector<std::string>{kA});
}

TEST(ReadManifest, NonsenseIsRefused) {
  for (const char* text : {"", "[]", "x", R"({"config":{"digest":"md5:1"}})", R"({"layers":{}})", R"({"layers":[1]})",
                           R"({"mediaType":"other"})"}) {
    EXPECT_THROW(read_manifest(text, kType), Refusal) << text;
  }
  EXPECT_THROW(read_manifest("{}", "application/vnd.oci.image.index.v1+json"), Refusal);
  EXPECT_THROW(read_manifest("{}", ""), Refusal);
  for (const char* type : {"application/x\r\nX-Evil: 1", "a b", "a\x7f"}) {
    EXPECT_THROW(read_manifest("{}", type), Refusal) << type;
  }
  EXPECT_THROW(read_manifest(R"({"mediaType":"a/b\r\n\r\n"})", ""), Refusal);
}

}  // namespace
}  // namespace berth::registry::server
