#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// The documents of images (configs, manifests) byte for byte, in an OCI image layout: oci-layout, index.json,
/// blobs/sha256/<hex>. Layers are not in it: they lie unpacked with the graph driver and are made again on save.
namespace berth::image {

class Content {
 public:
  explicit Content(std::string root);  ///< makes the folders; removes unfinished files

  std::string put(std::string_view bytes);  ///< durable; returns the digest
  /// Verified against its digest. Throws not_found (missing) or system (damaged), with what to do.
  std::string get(const std::string& digest) const;
  bool has(const std::string& digest) const;
  void remove(const std::string& digest);  ///< absence is no error
  std::vector<std::string> list() const;   ///< digests
  bool has_index() const;
  void write_index(std::string_view json);  ///< what the other files say anyway: not durable

 private:
  std::string path_of(const std::string& digest) const;
  std::string root_;
};

}  // namespace berth::image
