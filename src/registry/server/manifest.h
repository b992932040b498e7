#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "archive/digest.h"
#include "registry/server/catalog.h"

namespace berth::registry::server {

/// Reads a manifest, an index or whatever artifact a client puts, for what the registry must know of it. `media_type`
/// is the request's Content-Type. Its digest is by `algorithm`. Throws Refusal (MANIFEST_INVALID).
/// Spec: image-spec v1.1 manifest.md, image-index.md; distribution-spec v1.1, "Pushing manifests with subject".
NewManifest read_manifest(std::string text, std::string_view media_type,
                          archive::DigestAlgorithm algorithm = archive::DigestAlgorithm::sha256);

/// Its annotations, as JSON; "" for none.
std::string annotations_of(std::string_view manifest);

/// The size that a manifest gives for one of the blobs or manifests that it names.
std::optional<std::uint64_t> described_size(std::string_view manifest, std::string_view digest);

inline constexpr std::size_t kMostManifestBytes = 4 << 20;

}  // namespace berth::registry::server
