#pragma once

#include <string>
#include <string_view>

namespace berth::registry::server {

/// What a path of the registry's API is about. Spec: distribution-spec v1.1, "Endpoints".
struct Target {
  enum class Kind { unknown, base, catalog, manifest, blob, uploads, upload, tags, referrers, metrics, token };
  Kind kind = Kind::unknown;
  std::string repository;  ///< as it came, never empty where the kind has one
  std::string reference;   ///< tag, digest or upload; as it came
};

/// Whether it is about one repository, and so needs a right to it.
bool has_repository(Target::Kind kind);

Target parse_target(std::string_view path);

}  // namespace berth::registry::server
