#pragma once

#include <optional>
#include <string>
#include <vector>

#include "registry/client/login.h"

namespace berth::registry {

/// Spec: docker-engine-api-v1.51.yaml, ImageSearch; the same as registries of the first version answer.
struct SearchResult {
  std::string name, description;
  int star_count = 0;
  bool is_official = false, is_automated = false;
  static void describe(auto& self, auto&& field) {
    field("star_count", self.star_count);
    field("is_official", self.is_official);
    field("name", self.name);
    field("is_automated", self.is_automated);
    field("description", self.description);
  }
};

struct SearchRequest {
  std::string term;  ///< "nginx": at Docker Hub; "host:5000/nginx": there
  int limit = 25;
  Credentials credentials{};
  std::optional<bool> official{}, automated{};
  int least_stars = 0;
};

/// Asks a registry's /v1/search. Blocks for at most a quarter of a minute and what looking up its name takes. Throws
/// system with dockerd's texts.
std::vector<SearchResult> search(const Policy& policy, const SearchRequest& request);

}  // namespace berth::registry
