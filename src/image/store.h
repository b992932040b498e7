#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "image/catalog.h"
#include "image/content.h"
#include "image/image_store.h"
#include "image/incoming.h"
#include "image/layer.h"
#include "oci/image.h"

namespace berth::image {

/// An image to save, with the tags that were asked for.
struct SavedImage {
  ImagePtr record;
  std::vector<oci::Reference> tags;
};

/// Layers that an operation counts on: not removed while it runs, whether an image refers to them yet or not.
class Pins {
 public:
  explicit Pins(graph::Driver& driver) : driver_(driver) {}

  class Set {
   public:
    explicit Set(Pins& owner) : owner_(owner) {}
    ~Set();
    Set(const Set&) = delete;
    Set& operator=(const Set&) = delete;
    void add(const std::string& chain_id);
    bool add_existing(const std::string& chain_id);  ///< false, and not pinned, when the layer is not there

   private:
    Pins& owner_;
    std::vector<std::string> chain_ids_;
  };

  /// Removes the layers of `candidates` that are neither pinned nor `wanted` nor under a container.
  void collect(const std::vector<std::string>& candidates, const std::function<bool(const std::string&)>& wanted);

 private:
  graph::Driver& driver_;
  std::mutex mutex_;
  std::map<std::string, unsigned> counts_;
};

class Store : public ImageStore {
 public:
  explicit Store(StoreOptions options);

  ResolvedImage get(const std::string& name) override;
  std::optional<ResolvedImage> find(const std::string& name) override;
  std::string id_of(const std::string& name) override;
  void collect() override { collect_layers(); }
  ImageInspect inspect(const std::string& name) override;
  std::vector<HistoryEntry> history(const std::string& name) override;
  void tag(const std::string& name, const std::string& repository, const std::string& tag) override;
  std::vector<DeleteResponse> remove(const std::string& name, bool force, bool prune) override;
  void load(ByteSource& archive, ByteSink& progress, bool quiet) override;
  void check_saveable(const std::vector<std::string>& names) override;
  void save(const std::vector<std::string>& names, ByteSink& archive) override;
  std::string import(ByteSource& tar, ByteSink& progress, const std::string& reference, const std::string& message,
                     const oci::ContainerConfig& config, const std::string& platform) override;
  std::string commit(ByteSource& diff, const CommitRequest& request) override;
  std::vector<StoredImage> list() override;
  std::uint64_t layers_size() override;
  std::map<std::string, std::uint64_t> layer_sizes() override;

 private:
  friend class Remover;

  ImagePtr find_record(const std::string& name) const;  ///< nullptr when there is none
  ImagePtr get_record(const std::string& name) const;
  oci::Image read_config(const std::string& id) const;
  std::int64_t size_of(const ImageRecord& image) const;

  /// Makes layers and images durable and visible: all of them or none.
  void commit(std::vector<IncomingImage>& images, Pins::Set& pins, Progress* progress);
  std::vector<LayerRecord> commit_layers(IncomingImage& image, Pins::Set& pins, Progress* progress);
  void commit_records(std::vector<IncomingImage>& images, const std::vector<LayerRecord>& layers, Progress* progress);
  std::string manifest_for(const IncomingImage& image) const;
  std::vector<SavedImage> choose_saved(const std::vector<std::string>& names, Pins::Set& pins);
  std::vector<ArchivedLayer> layers_of(const ImageRecord& image, Pins::Set& pins) const;
  void collect_layers();
  void collect_content();
  void write_index();
  const oci::Descriptor* describe_manifest(const std::string& digest);
  void report(const std::string& action, const std::string& id, const std::string& name) const;

  StoreOptions options_;
  graph::Driver& driver_;
  Content content_;
  Catalog catalog_;
  Pins pins_;
  std::mutex changes_;  ///< orders changes of the catalog and what belongs to them on the disk
  std::map<std::string, oci::Descriptor> descriptors_;  ///< of manifests, by digest; guarded by changes_
  std::mutex cache_mutex_;
  std::map<std::string, std::shared_ptr<const ResolvedImage>> cache_;  ///< by ID; small
};

}  // namespace berth::image
