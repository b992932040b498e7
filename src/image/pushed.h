#pragma once

#include <cstdint>
#include <string>
#include <utility>

/// What the ways to push have in common.
namespace berth::image {

/// The last message of a push. Spec: docker-engine-api, PushResult (moby's own name).
struct PushedAux {
  std::string tag, digest;
  std::int64_t size = 0;
  static void describe(auto& self, auto&& field) {
    field("Tag", self.tag);
    field("Digest", self.digest);
    field("Size", self.size);
  }
};

/// ("docker.io", "library/busybox") of "docker.io/library/busybox".
inline std::pair<std::string, std::string> split_repository(const std::string& name) {
  const std::size_t slash = name.find('/');
  return {name.substr(0, slash), slash == std::string::npos ? "" : name.substr(slash + 1)};
}

}  // namespace berth::image
