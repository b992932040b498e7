#include "registry/server/target.h"

#include <vector>

#include "base/core/text.h"

namespace berth::registry::server {

namespace {

std::string join_first(const std::vector<std::string>& segments, std::size_t count) {
  return join({segments.begin(), segments.begin() + static_cast<std::ptrdiff_t>(count)}, "/");
}

}  // namespace

bool has_repository(Target::Kind kind) {
  using Kind = Target::Kind;
  switch (kind) {
    case Kind::manifest:
    case Kind::blob:
    case Kind::uploads:
    case Kind::upload:
    case Kind::tags:
    case Kind::referrers: return true;
    case Kind::unknown:
    case Kind::base:
    case Kind::catalog:
    case Kind::metrics:
    case Kind::token: return false;
  }
  return true;
}

/// From the end, since a repository may be called "blobs/uploads".
Target parse_target(std::string_view path) {
  using Kind = Target::Kind;
  if (path == "/metrics") return {.kind = Kind::metrics};
  if (path == "/token") return {.kind = Kind::token};
  if (path == "/v2/" || path == "/v2") return {.kind = Kind::base};
  if (path == "/v2/_catalog") return {.kind = Kind::catalog};
  if (!path.starts_with("/v2/")) return {};
  const std::vector<std::string> words = split(path.substr(4), '/');
  const std::size_t count = words.size();
  const auto from_end = [&](std::size_t at) { return at <= count ? std::string_view{words[count - at]} : ""; };
  const auto target = [&](Kind kind, std::size_t tail, std::string reference) {
    std::string repository = count > tail ? join_first(words, count - tail) : "";
    if (repository.empty()) return Target{};
    return Target{.kind = kind, .repository = std::move(repository), .reference = std::move(reference)};
  };
  if (from_end(3) == "blobs" && from_end(2) == "uploads") {
    return target(words.back().empty() ? Kind::uploads : Kind::upload, 3, words.back());
  }
  if (from_end(2) == "blobs" && from_end(1) == "uploads") return target(Kind::uploads, 2, "");
  if (from_end(2) == "blobs") return target(Kind::blob, 2, words.back());
  if (from_end(2) == "manifests") return target(Kind::manifest, 2, words.back());
  if (from_end(2) == "referrers") return target(Kind::referrers, 2, words.back());
  if (from_end(2) == "tags" && from_end(1) == "list") return target(Kind::tags, 2, "");
  return {};
}

}  // namespace berth::registry::server
