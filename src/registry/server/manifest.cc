#include "registry/server/manifest.h"

#include <algorithm>
#include <boost/json/serialize.hpp>

#include "archive/digest.h"
#include "base/core/error.h"
#include "base/core/text.h"
#include "base/json/json.h"
#include "registry/server/errors.h"
#include "registry/server/names.h"

namespace berth::registry::server {

namespace {

namespace js = boost::json;

constexpr std::string_view kIndex = "application/vnd.oci.image.index.v1+json",
                           kDockerList = "application/vnd.docker.distribution.manifest.list.v2+json";

std::string text_member(const js::object& object, std::string_view name) {
  const js::value* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string{value->get_string()} : std::string{};
}

const js::object* object_member(const js::object& object, std::string_view name) {
  const js::value* value = object.if_contains(name);
  return value == nullptr ? nullptr : value->if_object();
}

std::string digest_of(const js::value& descriptor) {
  const js::object* object = descriptor.if_object();
  if (object == nullptr) throw manifest_invalid("a descriptor is no object");
  std::string digest = text_member(*object, "digest");
  if (!is_digest(digest)) throw manifest_invalid(cat("invalid digest ", quoted(digest)));
  return digest;
}

/// Layers that are fetched from elsewhere, and that nobody may push.
bool is_foreign(const js::value& layer) {
  const std::string type = text_member(layer.get_object(), "mediaType");
  const js::value* urls = layer.get_object().if_contains("urls");
  return (urls != nullptr && urls->is_array() && !urls->get_array().empty()) ||
         type.find("nondistributable") != std::string::npos || type.find("foreign") != std::string::npos;
}

/// Spec: RFC 6838, 4.2. It becomes a header of answers.
bool is_media_type(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           std::string_view{"!#$&-^_.+/"}.contains(c);
  });
}

void read_list(const js::object& document, std::string_view name, std::vector<std::string>& digests) {
  const js::value* list = document.if_contains(name);
  if (list == nullptr || list->is_null()) return;
  if (!list->is_array()) throw manifest_invalid(cat(name, " is no list"));
  for (const js::value& descriptor : list->get_array()) {
    std::string digest = digest_of(descriptor);
    if (!is_foreign(descriptor)) digests.push_back(std::move(digest));
  }
}

std::string annotations_in(const js::object& document) {
  const js::object* annotations = object_member(document, "annotations");
  return annotations == nullptr ? "" : js::serialize(*annotations);
}

}  // namespace

NewManifest read_manifest(std::string text, std::string_view media_type, archive::DigestAlgorithm algorithm) {
  NewManifest manifest;
  js::value parsed;
  try {
    parsed = json::parse(text);
  } catch (const Error& error) {
    throw manifest_invalid(error.text());
  }
  if (!parsed.is_object()) throw manifest_invalid("the manifest is no JSON object");
  const js::object& document = parsed.get_object();
  manifest.digest = archive::digest_of(text, algorithm);
  manifest.media_type = trim(media_type.substr(0, media_type.find(';')));
  const std::string own_type = text_member(document, "mediaType");
  if (manifest.media_type.empty()) manifest.media_type = own_type;
  if (manifest.media_type.empty()) throw manifest_invalid("neither Content-Type nor mediaType says what this is");
  if (!is_media_type(manifest.media_type)) throw manifest_invalid(cat("no media type: ", quoted(manifest.media_type)));
  if (!own_type.empty() && own_type != manifest.media_type) {
    throw manifest_invalid(cat("mediaType ", quoted(own_type), " is not the Content-Type"));
  }
  if (const js::object* config = object_member(document, "config")) {
    manifest.blobs.push_back(digest_of(*config));
    manifest.artifact_type = text_member(*config, "mediaType");
  }
  read_list(document, "layers", manifest.blobs);
  read_list(document, "blobs", manifest.blobs);
  read_list(document, "manifests", manifest.manifests);
  const bool is_index = manifest.media_type == kIndex || manifest.media_type == kDockerList;
  if (is_index && !document.contains("manifests")) throw manifest_invalid("an index without manifests");
  if (const std::string type = text_member(document, "artifactType"); !type.empty()) manifest.artifact_type = type;
  if (const js::object* subject = object_member(document, "subject")) manifest.subject = digest_of(*subject);
  manifest.annotations_json = annotations_in(document);
  manifest.text = std::move(text);
  return manifest;
}

std::string annotations_of(std::string_view manifest) {
  const js::value document = json::parse(manifest);
  return document.is_object() ? annotations_in(document.get_object()) : "";
}

std::optional<std::uint64_t> described_size(std::string_view manifest, std::string_view digest) {
  const js::value document = json::parse(manifest);
  const auto size_in = [&](const js::value& descriptor) -> std::optional<std::uint64_t> {
    const js::object* object = descriptor.if_object();
    if (object == nullptr || text_member(*object, "digest") != digest) return std::nullopt;
    const js::value* size = object->if_contains("size");
    if (size == nullptr || !size->is_int64() || size->get_int64() < 0) return std::nullopt;
    return static_cast<std::uint64_t>(size->get_int64());
  };
  if (!document.is_object()) return std::nullopt;
  for (const auto& member : document.get_object()) {
    if (const auto size = size_in(member.value())) return size;
    if (!member.value().is_array()) continue;
    for (const js::value& descriptor : member.value().get_array()) {
      if (const auto size = size_in(descriptor)) return size;
    }
  }
  return std::nullopt;
}

}  // namespace berth::registry::server
