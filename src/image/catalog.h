#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <shared_mutex>
#include <string>
#include <vector>

#include "base/core/time.h"
#include "base/db/database.h"
#include "oci/reference.h"

/// Which images, tags and layers there are: tables in the state database, and the same in memory for all questions.
namespace berth::image {

struct LayerRecord {
  std::string chain_id, diff_id;
  std::uint64_t size = 0;       ///< bytes of its files
  std::uint64_t tar_size = 0;   ///< bytes of its plain tar
  std::uint64_t blob_size = 0;  ///< bytes of its compressed form, where that is kept too (kept_blob.h)

  std::uint64_t disk_size() const { return size + blob_size; }
};

struct ImageRecord {
  std::string id, parent_id;
  std::string manifest_digest;         ///< as loaded or made from the config; never ""
  std::vector<std::string> chain_ids;  ///< bottom first
  std::string os, architecture, variant;
  Time created = kNever, loaded{}, last_tagged = kNever;
  std::map<std::string, std::string> labels;
};
using ImagePtr = std::shared_ptr<const ImageRecord>;

/// A change of several rows that becomes durable and visible as one.
struct Change {
  std::vector<ImageRecord> put_images;
  std::vector<LayerRecord> put_layers;
  std::map<std::string, std::string> put_tags;     ///< full reference to image ID
  std::map<std::string, std::string> put_indexes;  ///< full reference of put_tags to the index that it stands for
  std::vector<std::string> drop_tags, drop_images, drop_layers;
};

/// Safe from several threads. Changes are ordered by the caller.
class Catalog {
 public:
  explicit Catalog(db::Database& database);  ///< makes the tables, loads them

  void apply(const Change& change);  ///< durable when it returns; on a throw nothing has changed

  ImagePtr find_image(const std::string& id) const;
  std::vector<ImagePtr> images() const;
  std::optional<std::string> find_tag(const std::string& full_reference) const;  ///< image ID
  std::vector<oci::Reference> tags_of(const std::string& id) const;              ///< sorted; tags and digests
  std::map<std::string, std::string> tags() const;
  /// The digest of the multi-platform index that a name stands for besides its image.
  std::optional<std::string> find_index(const std::string& full_reference) const;
  std::map<std::string, std::string> indexes() const;  ///< full reference to digest
  /// IDs that begin with these hex digits (with or without "sha256:"), at most two.
  std::vector<std::string> find_prefix(std::string_view prefix) const;
  std::optional<LayerRecord> find_layer(const std::string& chain_id) const;
  std::optional<LayerRecord> find_layer_by_diff(const std::string& diff_id) const;
  std::vector<LayerRecord> layers() const;
  std::size_t image_count_on(const std::string& chain_id) const;
  std::vector<std::string> layers_without_image() const;
  std::vector<std::string> children_of(const std::string& id) const;

 private:
  void load(db::Connection& connection);
  void write(db::Connection& connection, const Change& change);
  void remember(const Change& change);
  void count_layers(const ImageRecord& image, int step);

  db::Database& database_;
  mutable std::shared_mutex mutex_;
  std::map<std::string, ImagePtr> images_;
  std::map<std::string, std::string> tags_;
  std::map<std::string, std::set<std::string>> tags_of_;  ///< image ID to full references
  std::map<std::string, std::string> indexes_;            ///< full reference to digest
  std::map<std::string, LayerRecord> layers_;
  std::multimap<std::string, std::string> by_diff_;  ///< diff ID to chain IDs
  std::map<std::string, std::size_t> images_on_;     ///< chain ID to number of images
};

}  // namespace berth::image
