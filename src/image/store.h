#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "image/blob_sources.h"
#include "image/catalog.h"
#include "image/content.h"
#include "image/image_store.h"
#include "image/incoming.h"
#include "image/indexes.h"
#include "image/last_uses.h"
#include "image/layer.h"
#include "image/progress.h"
#include "oci/image.h"

namespace berth::image {

/// What save() writes, as it was when it began: the images may be removed meanwhile.
struct SavedContent {
  std::map<std::string, std::string> documents;    ///< by digest
  std::map<std::string, std::uint64_t> tar_sizes;  ///< by chain ID
};

/// An image to save, with the tags that were asked for.
struct SavedImage {
  ImagePtr record;
  std::vector<oci::Reference> tags;
  std::shared_ptr<const Indexes::Index> index;  ///< nullptr when the record is all that is saved
  std::vector<ImagePtr> variants;               ///< of the index's members, nullptr where one is not saved
};

oci::Platform platform_of(const ImageRecord& image);

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
    const std::vector<std::string>& chain_ids() const { return chain_ids_; }
    bool add_existing(const std::string& chain_id);  ///< false, and not pinned, when the layer is not there

   private:
    Pins& owner_;
    std::vector<std::string> chain_ids_;
  };

  bool is_pinned(const std::string& chain_id);

  /// Removes the layers of `candidates` that are neither pinned nor `wanted` nor under a container.
  void collect(const std::vector<std::string>& candidates, const std::function<bool(const std::string&)>& wanted);

 private:
  graph::Driver& driver_;
  std::mutex mutex_;
  std::map<std::string, unsigned> counts_;
};

/// Layers that pulls have made and no image has yet: one pull waits for what another is fetching, and a pull that
/// failed leaves what it had for the next try. Safe from several threads.
class PulledLayers {
 public:
  /// True when the caller is to fetch it; false when another pull has meanwhile tried to (look again then). Blocks
  /// while another one is at it. Throws cancelled when `given_up` says so.
  bool claim(const std::string& name, const std::function<bool()>& given_up);
  void release(const std::string& name);

  void add(const LayerRecord& layer);
  std::optional<LayerRecord> find(const std::string& chain_id) const;
  std::optional<LayerRecord> find_by_diff(const std::string& diff_id) const;
  void forget(const std::vector<std::string>& chain_ids);

  /// Keeps what a failed pull had pinned for ImageStore::kKeepUnfinished.
  void retain(std::unique_ptr<Pins::Set> pins, std::vector<std::string> chain_ids);
  /// Of failed pulls, what an image has by now.
  void forget_retained(const std::vector<std::string>& chain_ids);
  /// Gives up what was to be kept until `time` at most. Returns the bytes of its layers; nullopt when there was
  /// nothing.
  std::optional<std::uint64_t> drop_retained(std::chrono::steady_clock::time_point time);

 private:
  struct Retained {
    std::chrono::steady_clock::time_point until;
    std::unique_ptr<Pins::Set> pins;
    std::vector<std::string> chain_ids;
  };
  mutable std::mutex mutex_;
  std::condition_variable released_;
  std::set<std::string> claimed_;
  std::map<std::string, LayerRecord> made_;  ///< by chain ID
  std::vector<Retained> retained_;
};

class Store : public ImageStore {
 public:
  explicit Store(StoreOptions options);

  ResolvedImage get(const std::string& name) override;
  std::optional<ResolvedImage> find(const std::string& name) override;
  std::string id_of(const std::string& name) override;
  void collect() override;
  std::uint64_t drop_blobs(const std::string& id) override;
  std::int64_t files_size(const std::string& id) override;
  std::optional<ResolvedImage> find_variant(const std::string& name, const std::string& platform) override;
  ImageInspect inspect(const std::string& name, const std::string& platform) override;
  IndexView describe_index(const std::string& name) override;
  std::vector<HistoryEntry> history(const std::string& name, const std::string& platform) override;
  void tag(const std::string& name, const std::string& repository, const std::string& tag) override;
  std::vector<DeleteResponse> remove(const std::string& name, bool force, bool prune) override;
  std::vector<DeleteResponse> remove_unchanged(const std::string& name, const std::string& id) override;
  std::uint64_t drop_unfinished(std::chrono::steady_clock::time_point time) override;
  std::vector<DeleteResponse> remove_variants(const std::string& name, const Platforms& platforms, bool force,
                                              bool prune) override;
  void load(ByteSource& archive, ByteSink& progress, bool quiet, const Platforms& platforms) override;
  void check_saveable(const std::vector<std::string>& names, const Platforms& platforms) override;
  void save(const std::vector<std::string>& names, const Platforms& platforms, ByteSink& archive) override;
  std::string import(ByteSource& tar, ByteSink& progress, const std::string& reference, const std::string& message,
                     const oci::ContainerConfig& config, const std::string& platform) override;
  std::string commit(ByteSource& diff, const CommitRequest& request) override;
  void pull(Remote& remote, const PullRequest& request, ByteSink& progress) override;
  void push(Remote& remote, const PushRequest& request, ByteSink& progress) override;
  std::vector<oci::Reference> tags_in(const oci::Reference& repository) override;
  std::vector<StoredImage> list() override;
  std::uint64_t layers_size() override;
  std::map<std::string, std::uint64_t> layer_sizes() override;
  void note_use(const std::string& id) override;
  void check(bool repair, ByteSink& report) override;

 private:
  /// Pins for a while in which images may be removed: the layers of those go at its end.
  class Reading {
   public:
    explicit Reading(Store& store) : store_(store), pins_(std::in_place, store.pins_) {}
    ~Reading();
    Reading(const Reading&) = delete;
    Reading& operator=(const Reading&) = delete;
    Pins::Set& pins() { return *pins_; }

   private:
    Store& store_;
    std::optional<Pins::Set> pins_;
  };

  friend class Checker;
  friend class Remover;
  friend class Pull;
  friend class Push;
  friend class IndexPush;

  ImagePtr find_record(const std::string& name) const;  ///< nullptr when there is none
  ImagePtr get_record(const std::string& name) const;
  ImagePtr get_variant(const std::string& name, const std::string& platform) const;
  ImagePtr variant_in(const Indexes::Index& index, const oci::Platform& platform) const;
  std::shared_ptr<const Indexes::Index> index_of(const std::string& name) const;  ///< nullptr when it has none
  ResolvedImage resolve(const ImageRecord& image);
  oci::Image read_config(const std::string& id) const;
  /// Bytes of its files, and of the compressed forms that are kept of its layers.
  struct Sizes {
    std::int64_t files = 0, blobs = 0;
  };
  Sizes sizes_of(const ImageRecord& image) const;
  /// Gives a layer that has come its name; one that is there already gets its kept blob, if it has none.
  void name_layer(graph::LayerWriter& made, const std::string& chain, const std::string& parent);
  void forget_blob(const std::string& chain);
  void record_blob_size(const std::string& chain, std::uint64_t size);  ///< if there is a record; under changes_

  /// Makes layers and images durable and visible: all of them or none.
  void commit(std::vector<IncomingImage>& images, Pins::Set& pins, Progress* progress);
  std::vector<LayerRecord> commit_layers(IncomingImage& image, Pins::Set& pins, Progress* progress);
  void commit_records(std::vector<IncomingImage>& images, const std::vector<LayerRecord>& layers, Progress* progress);
  std::string manifest_for(const IncomingImage& image) const;
  std::vector<SavedImage> choose_saved(const std::vector<std::string>& names, const Platforms& platforms,
                                       Pins::Set& pins);
  SavedImage saved_as(const std::string& name, const Platforms& platforms) const;
  SavedContent content_of(const std::vector<SavedImage>& images) const;
  std::vector<DeleteResponse> forget_removed(std::vector<DeleteResponse> records);
  std::vector<ArchivedLayer> layers_of(const ImageRecord& image, Pins::Set& pins) const;
  void collect_layers();
  /// If there is something of these to collect; after their pins were given back. Failing, it leaves it to the next
  /// one.
  void collect_unwanted(const std::vector<std::string>& chains) noexcept;
  void collect_content();
  /// After a change that has taken names from these indexes: those that no name has are removed, with what only they
  /// led to. Under changes_.
  void drop_nameless_indexes(const std::set<std::string>& digests);
  std::set<std::string> indexes_of(const std::map<std::string, std::string>& tags) const;
  std::set<std::string> wanted_content() const;
  void write_index();
  const oci::Descriptor* describe_manifest(const std::string& digest);
  /// False, with nothing but blobs sent, when not all of its variants can be had.
  bool push_index(Remote& remote, const PushRequest& request, const Indexes::Index& index, Progress& progress);
  void report(const std::string& action, const std::string& id, const std::string& name) const;

  StoreOptions options_;
  graph::Driver& driver_;
  Content content_;
  Catalog catalog_;
  Indexes indexes_;
  Pins pins_;
  PulledLayers pulled_;
  BlobSources blob_sources_;
  LastUses last_uses_;
  std::mutex changes_;  ///< orders changes of the catalog and what belongs to them on the disk
  std::map<std::string, oci::Descriptor> descriptors_;  ///< of manifests, by digest; guarded by changes_
  std::mutex cache_mutex_;
  std::map<std::string, std::shared_ptr<const ResolvedImage>> cache_;  ///< by ID; small
};

}  // namespace berth::image
