#pragma once

#include <string>
#include <vector>

#include "image/archive_content.h"
#include "oci/image.h"
#include "oci/reference.h"

namespace berth::image {

/// An image of an archive, checked against itself: as many layers as its config says, each with the digest it says.
struct IncomingImage {
  std::string id, config_text, manifest_text;  ///< manifest_text "" when the archive has none
  /// Of the multi-platform index that the tags stand for, which comes first, and of those within it that are there.
  std::vector<std::string> index_texts;
  oci::Image config;
  std::vector<ArchivedLayer*> layers;  ///< bottom first, of the archive's content
  std::vector<oci::Reference> tags;
  std::string parent_id;  ///< "" unless the archive names one
};

/// The images of a docker-archive (manifest.json) or an OCI layout (index.json), or only their variants for
/// `platforms`. Of a name with several variants the tags are with the host's, or else the first. Throws invalid and
/// not_found with Docker's texts.
std::vector<IncomingImage> find_images(ArchiveContent& content, const std::vector<std::string>& platforms);

}  // namespace berth::image
