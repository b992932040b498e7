#pragma once

#include <cstdint>
#include <string>

#include "base/json/json.h"

namespace berth::registry::server {

/// One entry of the list of a manifest's referrers, as it is shown and as an origin shows it. Spec: OCI
/// distribution-spec, "Listing Referrers".
struct ReferrerView {
  std::string media_type, digest, artifact_type;
  std::int64_t size = 0;
  json::Raw annotations;
  static void describe(auto& self, auto&& field) {
    field("mediaType", self.media_type);
    field("digest", self.digest);
    field("size", self.size);
    field("artifactType", self.artifact_type, json::omit_empty);
    field("annotations", self.annotations);
  }
};

}  // namespace berth::registry::server
