#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/manifest/image_manifest.h"

namespace berth::cli {

/// Manifest lists that are being put together, where docker keeps them, too: a folder for each list and in it a file
/// for each image, both named by the reference with '-' for ':' and '_' for '/'.
class ManifestStore {
 public:
  explicit ManifestStore(std::string folder) : folder_(std::move(folder)) {}

  std::optional<ImageManifest> find(const oci::Reference& list, const oci::Reference& image) const;
  /// In the order of the files' names. Throws not_found "No such manifest: …".
  std::vector<ImageManifest> get_list(const oci::Reference& list) const;
  bool has_list(const oci::Reference& list) const;
  void save(const oci::Reference& list, const oci::Reference& image, const ImageManifest& manifest) const;
  void remove(const oci::Reference& list) const;  ///< throws not_found

 private:
  std::string folder_of(const oci::Reference& list) const;

  std::string folder_;
};

Error no_such_manifest(const oci::Reference& reference);  ///< on this machine

}  // namespace berth::cli
