#include "image/documents.h"

#include "archive/digest.h"
#include "base/core/error.h"
#include "base/core/text.h"
#include "oci/digest.h"

namespace berth::image {

namespace {

namespace js = boost::json;

constexpr std::size_t kMaxValues = 200'000, kValueBytes = 128;
constexpr std::int64_t kMaxSize = std::int64_t{1} << 53;  // what every reader of JSON understands
constexpr std::string_view kMediaSchema1 = "application/vnd.docker.distribution.manifest.v1";

/// How many values a text has, give or take a few, without making any of them.
std::size_t count_values(std::string_view text) {
  std::size_t count = 1;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') quoted = !quoted;
    if (quoted) {
      if (c == '\\') ++i;
    } else if (c == ',' || c == '[' || c == '{') {
      ++count;
    }
  }
  return count;
}

/// As parse_document(), of an object.
js::value parse_object(std::string_view text, std::string_view what) {
  js::value document = parse_document(text);
  if (!document.is_object()) throw invalid(cat("the ", what, " is no JSON object"));
  return document;
}

bool has(const js::value& document, std::string_view name) {
  const js::value* member = json::detail::find_member(document.get_object(), name);
  return member != nullptr && !member->is_null();
}

void check_list(const js::value& document, std::string_view name) {
  const js::value* list = json::detail::find_member(document.get_object(), name);
  if (list != nullptr && list->is_array() && list->get_array().size() > kMaxListEntries) {
    throw invalid(cat("a document has a list of more than ", kMaxListEntries, " entries"));
  }
}

void check_descriptor(const oci::Descriptor& descriptor) {
  oci::digest_hex(descriptor.digest);  // throws for what is no digest
  if (descriptor.size < 0 || descriptor.size > kMaxSize) {
    throw invalid(cat("invalid size of ", descriptor.digest, ": ", descriptor.size));
  }
}

/// What one reader takes for an image and another one for an index could be one thing where it is checked, and another
/// where it is used. Spec: image-spec manifest.md; CVE-2021-41190.
void refuse_both(const js::value& document) {
  const bool image = has(document, "config") || has(document, "layers") || has(document, "fsLayers");
  if (image && has(document, "manifests")) throw invalid("the document is an image's manifest and an index at once");
}

struct Typed {
  std::string media_type;
  int schema_version = 0;
  static void describe(auto& self, auto&& field) {
    field("mediaType", self.media_type);
    field("schemaVersion", self.schema_version);
  }
};

}  // namespace

bool is_index(std::string_view media_type) {
  return media_type == oci::kMediaIndex || media_type == oci::kMediaDockerList;
}

bool is_manifest(std::string_view media_type) {
  return media_type == oci::kMediaManifest || media_type == oci::kMediaDockerManifest;
}

bool is_schema1(std::string_view media_type) { return media_type.starts_with(kMediaSchema1); }

std::size_t parsed_bytes(std::string_view text) { return text.size() + count_values(text) * kValueBytes; }

js::value parse_document(std::string_view text) {
  if (count_values(text) > kMaxValues) throw invalid(cat("a document has more than ", kMaxValues, " values"));
  return json::parse(text);
}

std::string type_of(std::string_view text, std::string_view claimed) {
  const js::value document = parse_object(text, "manifest");
  const auto typed = json::from_value<Typed>(document);
  if (typed.schema_version == 1) return std::string{kMediaSchema1};
  if (!typed.media_type.empty()) return typed.media_type;
  if (has(document, "manifests")) return std::string{oci::kMediaIndex};
  if (has(document, "config")) return std::string{oci::kMediaManifest};
  return std::string{claimed};
}

oci::Index parse_index(std::string_view text) {
  const js::value document = parse_object(text, "index");
  refuse_both(document);
  check_list(document, "manifests");
  auto index = json::from_value<oci::Index>(document);
  for (const oci::Descriptor& manifest : index.manifests) check_descriptor(manifest);
  return index;
}

oci::Manifest parse_manifest(std::string_view text) {
  const js::value document = parse_object(text, "manifest");
  refuse_both(document);
  check_list(document, "layers");
  auto manifest = json::from_value<oci::Manifest>(document);
  check_descriptor(manifest.config);
  for (const oci::Descriptor& layer : manifest.layers) check_descriptor(layer);
  return manifest;
}

oci::Image parse_config(std::string_view text) {
  const js::value document = parse_document(text);
  if (!document.is_object() || !has(document, "rootfs")) {
    throw invalid("invalid image JSON, no RootFS key");
  }
  auto config = json::from_value<oci::Image>(document);
  if (config.rootfs.diff_ids.size() > kMaxListEntries) {
    throw invalid(cat("a document has a list of more than ", kMaxListEntries, " entries"));
  }
  for (const std::string& diff_id : config.rootfs.diff_ids) oci::digest_hex(diff_id);  // throws for what is no digest
  return config;
}

std::vector<std::string> chain_ids_of(const std::vector<std::string>& diff_ids) {
  std::vector<std::string> chains;
  for (const std::string& diff_id : diff_ids) {
    chains.push_back(chains.empty() ? diff_id : archive::sha256(cat(chains.back(), " ", diff_id)));
  }
  return chains;
}

void check_size(const oci::Descriptor& descriptor, std::string_view text) {
  if (descriptor.size == 0 || descriptor.size == static_cast<std::int64_t>(text.size())) return;
  throw invalid(
      cat("size validation failed: ", descriptor.digest, " has ", text.size(), " bytes, expected ", descriptor.size));
}

void check_document(const oci::Descriptor& descriptor, std::string_view text) {
  const std::string actual = archive::sha256(text);
  if (actual != descriptor.digest) {
    throw invalid(cat("invalid content: expected digest ", quoted(descriptor.digest), ", got ", quoted(actual)));
  }
  check_size(descriptor, text);
}

}  // namespace berth::image
