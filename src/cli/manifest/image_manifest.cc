#include "cli/manifest/image_manifest.h"

#include <algorithm>
#include <array>

#include "base/core/base64.h"
#include "base/core/text.h"
#include "cli/json_view.h"
#include "cli/text/rows.h"
#include "oci/digest.h"
#include "oci/image.h"

namespace berth::cli {

namespace {

constexpr auto kPlatforms = std::to_array<std::string_view>(
    {"darwin/386",    "darwin/amd64",   "darwin/arm",    "darwin/arm64",  "dragonfly/amd64", "freebsd/386",
     "freebsd/amd64", "freebsd/arm",    "linux/386",     "linux/amd64",   "linux/arm",       "linux/arm64",
     "linux/mips64",  "linux/mips64le", "linux/ppc64le", "linux/riscv64", "linux/s390x",     "netbsd/386",
     "netbsd/amd64",  "netbsd/arm",     "openbsd/386",   "openbsd/amd64", "openbsd/arm",     "plan9/386",
     "plan9/amd64",   "solaris/amd64",  "windows/386",   "windows/amd64"});

struct StoredDescriptor {
  std::string media_type, digest;
  std::int64_t size = 0;
  std::optional<ManifestPlatform> platform;
  static void describe(auto& self, auto&& field) {
    field("mediaType", self.media_type);
    field("digest", self.digest);
    field("size", self.size);
    field("platform", self.platform, json::omit_empty);
  }
};

/// docker's types.ImageManifest.
struct StoredManifest {
  std::string ref;
  StoredDescriptor descriptor;
  std::string raw;  ///< base64
  json::Raw docker, oci;
  static void describe(auto& self, auto&& field) {
    field("Ref", self.ref);
    field("Descriptor", self.descriptor);
    field("Raw", self.raw, json::omit_empty);
    field("SchemaV2Manifest", self.docker, json::omit_empty);
    field("OCIManifest", self.oci, json::omit_empty);
  }
};

struct ListEntry {
  std::string media_type, digest;
  std::int64_t size = 0;
  ManifestPlatform platform;
  static void describe(auto& self, auto&& field) {
    field("mediaType", self.media_type, json::omit_empty);
    field("size", self.size, json::omit_empty);
    field("digest", self.digest, json::omit_empty);
    field("platform", self.platform);
  }
};

struct List {
  int schema_version = 2;
  std::string media_type;
  std::vector<ListEntry> manifests;
  static void describe(auto& self, auto&& field) {
    field("schemaVersion", self.schema_version);
    field("mediaType", self.media_type);
    field("manifests", self.manifests);
  }
};

/// Of a kind whose documents may leave out what they are.
void check_optional_type(std::string_view found, std::string_view kind, std::string_view what) {
  if (found.empty() || found == kind) return;
  throw invalid(cat("if present, mediaType in ", what, " should be '", kind, "' not '", found, "'"));
}

void check_type(std::string_view found, std::string_view kind, std::string_view what) {
  if (found != kind) throw invalid(cat("mediaType in ", what, " should be '", kind, "' not '", found, "'"));
}

}  // namespace

std::string ImageManifest::stored() const {
  StoredManifest stored{.ref = ref.full(),
                        .descriptor = {.media_type = media_type, .digest = digest, .size = size, .platform = platform},
                        .raw = base64(raw),
                        .docker = {},
                        .oci = {}};
  (media_type == oci::kMediaManifest ? stored.oci : stored.docker).text = document;
  return marshalled(json::to_json(stored));
}

std::vector<std::string> ImageManifest::blobs() const {
  const auto manifest = json::from_json<oci::Manifest>(document);
  std::vector<std::string> digests{manifest.config.digest};
  for (const oci::Descriptor& layer : manifest.layers) digests.push_back(layer.digest);
  return digests;
}

ImageManifest parse_stored_manifest(std::string_view text) {
  StoredManifest stored = json::from_json<StoredManifest>(text);
  ImageManifest manifest{.ref = oci::parse_reference(stored.ref),
                         .media_type = std::move(stored.descriptor.media_type),
                         .digest = std::move(stored.descriptor.digest),
                         .size = stored.descriptor.size,
                         .platform = std::move(stored.descriptor.platform),
                         .document = stored.docker.text.empty() ? stored.oci.text : stored.docker.text,
                         .raw = decode_base64(stored.raw).value_or("")};
  if (!oci::is_digest(manifest.digest)) throw invalid("invalid checksum digest format");
  if (!manifest.raw.empty()) manifest.document = manifest.raw;
  if (manifest.document.empty()) throw invalid(cat(manifest.ref.full(), " has no payload"));
  manifest.document = marshalled(manifest.document);
  return manifest;
}

bool ManifestText::is_list() const { return media_type == oci::kMediaIndex || media_type == oci::kMediaDockerList; }

void ManifestText::check() const {
  const auto kinds = {oci::kMediaDockerManifest, oci::kMediaManifest, oci::kMediaDockerList, oci::kMediaIndex};
  if (std::ranges::find(kinds, media_type) == kinds.end()) {
    throw invalid(cat("unsupported manifest media type and no default available: ", media_type));
  }
  const Json document = json::parse(text);
  const std::string found = text_at(document, "mediaType");
  const auto has = [&](std::string_view member) { return !at(document, member).is_null(); };
  if (media_type == oci::kMediaDockerManifest) {
    check_type(found, media_type, "manifest");
  } else if (media_type == oci::kMediaManifest) {
    if (has("manifests")) throw invalid("ocimanifest: expected manifest but found index");
    check_optional_type(found, media_type, "manifest");
  } else if (media_type == oci::kMediaDockerList) {
    check_type(found, media_type, "manifest list");
  } else {
    if (has("config") || has("layers")) throw invalid("index: expected index but found manifest");
    check_optional_type(found, media_type, "image index");
  }
}

ManifestText list_of(const oci::Reference& list, const std::vector<ImageManifest>& manifests) {
  List document;
  for (const ImageManifest& manifest : manifests) {
    if (manifest.ref.domain != list.domain) {
      throw invalid(cat("cannot use source images from a different registry than the target image: ",
                        manifest.ref.domain, " != ", list.domain));
    }
    document.manifests.push_back({.media_type = manifest.media_type,
                                  .digest = manifest.digest,
                                  .size = manifest.size,
                                  .platform = manifest.platform.value_or(ManifestPlatform{})});
  }
  // The first one says what kind of list it is, as in docker.
  const bool is_index = !manifests.empty() && manifests[0].media_type == oci::kMediaManifest;
  document.media_type = is_index ? oci::kMediaIndex : oci::kMediaDockerList;
  return {.media_type = document.media_type, .text = indent_json(marshalled(json::to_json(document)), "   ")};
}

std::string marshalled(std::string_view json) {
  std::string out;
  out.reserve(json.size());
  bool in_string = false;
  for (std::size_t at = 0; at < json.size(); ++at) {
    const char c = json[at];
    if (!in_string && (c == ' ' || c == '\t' || c == '\n' || c == '\r')) continue;
    if (c == '<' || c == '>' || c == '&') {
      out += cat("\\u00", to_hex({&c, 1}));
    } else if (json.substr(at, 3) == "\u2028" || json.substr(at, 3) == "\u2029") {
      out += json[at + 2] == '\xA8' ? "\\u2028" : "\\u2029";
      at += 2;
    } else {
      out += c;
      if (in_string && c == '\\' && at + 1 < json.size()) out += json[++at];
      if (c == '"') in_string = !in_string;
    }
  }
  return out;
}

oci::Reference manifest_reference(const std::string& name) {
  const oci::Reference reference = oci::parse_reference(name);
  return reference.digest.empty() ? reference.with_default_tag() : reference;
}

bool is_known_platform(std::string_view os, std::string_view architecture) {
  return std::ranges::find(kPlatforms, cat(os, "/", architecture)) != kPlatforms.end();
}

}  // namespace berth::cli
