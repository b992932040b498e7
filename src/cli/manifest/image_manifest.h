#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json/json.h"
#include "oci/reference.h"

namespace berth::cli {

/// What a manifest list says of one of its images.
struct ManifestPlatform {
  std::string architecture, os, os_version;
  std::vector<std::string> os_features;
  std::string variant;
  static void describe(auto& self, auto&& field) {
    field("architecture", self.architecture);
    field("os", self.os);
    field("os.version", self.os_version, json::omit_empty);
    field("os.features", self.os_features, json::omit_empty);
    field("variant", self.variant, json::omit_empty);
  }
};

/// The manifest of one image, as a member of a list.
struct ImageManifest {
  oci::Reference ref;
  std::string media_type, digest;
  std::int64_t size = 0;
  std::optional<ManifestPlatform> platform;
  std::string document;  ///< as JSON
  std::string raw;       ///< the bytes of the digest; "" in files of docker before 28, which kept no spaces

  /// As docker 28 keeps it in a file; `manifest inspect --verbose` is this, indented.
  std::string stored() const;
  std::vector<std::string> blobs() const;  ///< digests, the config's first
};

/// Reads a file that docker or berth has made. Throws invalid when it is none.
ImageManifest parse_stored_manifest(std::string_view text);

/// A document of a registry, and of which kind it says it is.
struct ManifestText {
  std::string media_type, text;

  bool is_list() const;
  /// Throws invalid in the words of docker's client when content and kind don't fit.
  void check() const;
};

/// A list of `manifests` to be named `list`. Throws invalid when one is of another registry.
ManifestText list_of(const oci::Reference& list, const std::vector<ImageManifest>& manifests);

/// Any JSON text as Go's Marshal passes it on: without spaces, and safe to be put into HTML.
std::string marshalled(std::string_view json);

/// By tag or digest, with the tag "latest" when there is neither. Throws invalid with docker's words.
oci::Reference manifest_reference(const std::string& name);

/// Whether a list may have images for it; docker's client knows them all.
bool is_known_platform(std::string_view os, std::string_view architecture);

}  // namespace berth::cli
