#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "image/layer.h"

namespace berth::image {

/// A file of an image archive that is a layer: unpacked, or known already and only verified.
struct ArchivedLayer {
  std::optional<MadeLayer> made;  ///< nullopt: the store has a layer of this diff id
  std::string diff_id, blob_digest;
  std::uint64_t archived_size = 0;
  /// As in LayerRecord. Kept here, since an image removed meanwhile takes the store's record of the layer with it.
  std::uint64_t size = 0, tar_size = 0;
  std::string source_chain;  ///< a layer of the store with this content; "" while there is none
};

/// What an image archive holds, read in one pass in whatever order it came.
struct ArchiveContent {
  std::map<std::string, std::string> documents;  ///< path to content: JSON and other small files
  std::map<std::string, ArchivedLayer> layers;   ///< path to layer
  std::map<std::string, std::string> links;      ///< path to the path that it stands for

  /// The layer or document at `path`, through links; nullptr when there is none.
  const std::string* find_document(const std::string& path) const;
  ArchivedLayer* find_layer(const std::string& path);

 private:
  std::string resolve(const std::string& path) const;
};

}  // namespace berth::image
