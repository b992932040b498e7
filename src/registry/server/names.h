#pragma once

#include <string_view>

/// What may stand in the registry's paths. Spec: distribution-spec v1.1, "Pulling manifests".
namespace berth::registry::server {

bool is_repository_name(std::string_view name);  ///< "team/app", up to 255 bytes
bool is_tag(std::string_view tag);
bool is_digest(std::string_view text);  ///< sha256 or sha512

}  // namespace berth::registry::server
