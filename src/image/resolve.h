#pragma once

#include <string>
#include <vector>

#include "image/remote.h"
#include "oci/image.h"
#include "oci/reference.h"

namespace berth::image {

/// What a name of a registry means for one platform, everything verified by its digest.
struct ResolvedManifest {
  std::string digest;                    ///< of what the name itself stands for
  std::vector<std::string> index_texts;  ///< when that is an index: it, and then all within it that the registry has
  std::string manifest_text;
  oci::Manifest manifest;
};

/// Asks for few documents, whatever the registry says. Throws not_found, with Docker's words, when nothing is there for
/// the platform; invalid for what is no image, or hides it too deeply; system when a document is not what was promised.
ResolvedManifest resolve_manifest(Remote& remote, const oci::Reference& wanted, const oci::Platform& platform);

}  // namespace berth::image
