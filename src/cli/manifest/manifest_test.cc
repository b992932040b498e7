#include <gtest/gtest.h>

#include <filesystem>

#include "archive/digest.h"
#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"
#include "cli/manifest/store.h"
#include "oci/image.h"

namespace berth::cli {
namespace {

const std::string kText = R"({"mediaType": "application/vnd.docker.distribution.manifest.v2+json",
  "config": {"digest": "sha256:c"}, "layers": [{"digest": "sha256:l", "urls": ["http://x/?a&b"]}]})";

ImageManifest an_image(const std::string& name) {
  return {.ref = manifest_reference(name),
          .media_type = std::string{oci::kMediaDockerManifest},
          .digest = archive::sha256(kText),
          .size = static_cast<std::int64_t>(kText.size()),
          .platform =
              ManifestPlatform{
                  .architecture = "arm", .os = "linux", .os_version = {}, .os_features = {"x"}, .variant = "v7"},
          .document = kText,
          .raw = kText};
}

std::string thrown(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.text();
  }
  return "";
}

TEST(Marshalled, HasNoSpacesAndIsSafeInHtml) {
  EXPECT_EQ(marshalled("{ \"a b\" : [ 1,\n\t\"<&>\\\" x\" ] , \"\\\\\" :\"\u2028\" }\n"),
            R"({"a b":[1,"\u003c\u0026\u003e\" x"],"\\":"\u2028"})");
  EXPECT_EQ(marshalled("\"unfinished \\"), "\"unfinished \\");
}

TEST(StoredManifest, IsReadAsItWasWritten) {
  const ImageManifest image = an_image("host:5000/a:1");
  const std::string stored = image.stored();
  EXPECT_TRUE(stored.starts_with(
      cat(R"({"Ref":"host:5000/a:1","Descriptor":{"mediaType":")", oci::kMediaDockerManifest, R"(","digest":")",
          image.digest, R"(","size":)", kText.size(),
          R"(,"platform":{"architecture":"arm","os":"linux","os.features":["x"],"variant":"v7"}},"Raw":)")))
      << stored;
  const ImageManifest read = parse_stored_manifest(stored);
  EXPECT_EQ(read.raw, kText);
  EXPECT_EQ(read.document, marshalled(kText));
  EXPECT_EQ(read.stored(), stored);
  EXPECT_EQ(read.blobs(), (std::vector<std::string>{"sha256:c", "sha256:l"}));
}

TEST(StoredManifest, OfAnOlderDockerHasNoBytes) {
  std::string stored = an_image("a").stored();
  const std::size_t start = stored.find("\"Raw\":"), end = stored.find("\"SchemaV2Manifest\"");
  stored.erase(start, end - start);
  const ImageManifest read = parse_stored_manifest(stored);
  EXPECT_EQ(read.raw, "");
  EXPECT_EQ(read.document, marshalled(kText));
}

TEST(StoredManifest, RefusesWhatIsNone) {
  for (const std::string_view text : {"", "{", "[]", "{}", R"({"Ref":"a"})", R"({"Ref":"A","Descriptor":{}})",
                                      R"({"Ref":"a","Descriptor":{"digest":"sha256:x"},"SchemaV2Manifest":{}})"}) {
    EXPECT_THROW(parse_stored_manifest(text), Error) << text;
  }
  EXPECT_EQ(thrown([] {
              parse_stored_manifest(cat(R"({"Ref":"a","Descriptor":{"digest":")", archive::sha256(""), R"("}})"));
            }),
            "docker.io/library/a has no payload");
}

TEST(ListOf, IsADockerListOrAnIndexByItsFirstImage) {
  ImageManifest image = an_image("host:5000/a:1");
  const ManifestText list = list_of(manifest_reference("host:5000/l"), {image});
  EXPECT_EQ(list.media_type, oci::kMediaDockerList);
  EXPECT_TRUE(list.text.starts_with("{\n   \"schemaVersion\": 2,\n   \"mediaType\": \"")) << list.text;
  list.check();
  image.media_type = oci::kMediaManifest;
  EXPECT_EQ(list_of(manifest_reference("host:5000/l"), {image, an_image("host:5000/b")}).media_type, oci::kMediaIndex);
  EXPECT_EQ(thrown([&] { list_of(manifest_reference("elsewhere/l"), {image}); }),
            "cannot use source images from a different registry than the target image: host:5000 != docker.io");
}

TEST(ManifestText, MustBeWhatItSays) {
  const auto check = [](std::string_view type, std::string text) {
    return thrown([&] { ManifestText{std::string{type}, std::move(text)}.check(); });
  };
  EXPECT_EQ(check(oci::kMediaDockerManifest, kText), "");
  EXPECT_EQ(check(oci::kMediaManifest, "{}"), "");
  EXPECT_EQ(check(oci::kMediaIndex, "{}"), "");
  EXPECT_EQ(check(oci::kMediaManifest, R"({"manifests":[]})"), "ocimanifest: expected manifest but found index");
  EXPECT_EQ(check(oci::kMediaIndex, R"({"layers":[]})"), "index: expected index but found manifest");
  EXPECT_EQ(check("text/html", "<html>"), "unsupported manifest media type and no default available: text/html");
  EXPECT_EQ(check(oci::kMediaDockerList, R"({"mediaType":"x"})"),
            cat("mediaType in manifest list should be '", oci::kMediaDockerList, "' not 'x'"));
}

TEST(ManifestStore, KeepsListsWhereDockerLooksForThem) {
  const sys::TemporaryDir folder{std::filesystem::temp_directory_path().string()};
  const ManifestStore store{folder.path() + "/manifests"};
  const oci::Reference list = manifest_reference("host:5000/team/l"), image = manifest_reference("host:5000/a:1");
  EXPECT_FALSE(store.has_list(list));
  EXPECT_EQ(thrown([&] { store.get_list(list); }), "No such manifest: host:5000/team/l:latest");
  EXPECT_EQ(thrown([&] { store.remove(list); }), "No such manifest: host:5000/team/l:latest");
  store.save(list, image, an_image("host:5000/a:1"));
  const std::string path = folder.path() + "/manifests/host-5000_team_l-latest/host-5000_a-1";
  EXPECT_EQ(sys::read_file(path), an_image("host:5000/a:1").stored());
  EXPECT_EQ(sys::list_dir(folder.path() + "/manifests").size(), 1U);
  EXPECT_EQ(store.get_list(list).size(), 1U);
  EXPECT_TRUE(store.find(list, image));
  EXPECT_FALSE(store.find(list, manifest_reference("host:5000/a:2")));
  sys::write_file(path, "{");
  EXPECT_EQ(thrown([&] { store.find(list, image); }),
            cat("invalid manifest file ", path, ": unexpected end of JSON input"));
  store.remove(list);
  EXPECT_FALSE(store.has_list(list));
}

TEST(KnownPlatform, AreDockers) {
  EXPECT_TRUE(is_known_platform("linux", "riscv64"));
  EXPECT_FALSE(is_known_platform("linux", "loong64"));
  EXPECT_FALSE(is_known_platform("", ""));
}

}  // namespace
}  // namespace berth::cli
