#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/core/stream.h"
#include "base/core/time.h"
#include "base/db/database.h"
#include "graph/driver.h"
#include "image/remote.h"
#include "image/views.h"
#include "oci/container_config.h"
#include "oci/reference.h"

/// The images of one daemon: content (OCI layout), layers, tags. All calls block (call them on a pool thread), are safe
/// from several threads, and leave either all or nothing of their change, through kill -9 and full disks alike.
namespace berth::image {

/// An image as a container needs it.
struct ResolvedImage {
  std::string id;  ///< "sha256:…" of the config
  std::string os, architecture, variant;
  oci::ContainerConfig config;
  std::vector<std::string> chain_ids;  ///< bottom first
  std::string manifest_digest;         ///< "" when the image came without one
};

/// What the store has to know of others: which images containers use, for rmi and prune, and which layers they stand
/// on, whether or not there is still an image of them.
struct ContainerUse {
  std::string container_id, image_id, image_name;
  bool running = false;
  std::vector<std::string> chain_ids{};
};
/// Called on the thread of the operation (a pool thread) while the store holds its lock on changes: must be safe there,
/// and must not call the store.
using FindUses = std::function<std::vector<ContainerUse>()>;

/// Likewise; called with (action, image id, name) after a change: "load", "tag", "untag", "delete", "import".
using OnEvent = std::function<void(const std::string& action, const std::string& id, const std::string& name)>;

enum class LayerCompression { gzip, zstd };

/// Which variants of a multi-platform image are meant: "linux/arm64" each; none: all that there are.
using Platforms = std::vector<std::string>;

/// A container's changes as a new image.
struct CommitRequest {
  std::string parent_id;                    ///< of the container's image
  std::optional<oci::Reference> reference;  ///< complete; nullopt: no name
  std::string author, comment, created_by;
  oci::ContainerConfig config;
};

class ImageStore {
 public:
  virtual ~ImageStore() = default;

  /// Finds by reference, full ID, or unambiguous ID prefix. Throws not_found "No such image: NAME" (with :latest
  /// added where Docker does), invalid for a malformed reference.
  virtual ResolvedImage get(const std::string& name) = 0;
  virtual std::optional<ResolvedImage> find(const std::string& name) = 0;

  /// The ID of what the name means now, from memory; "" for nothing.
  virtual std::string id_of(const std::string& name) = 0;

  /// `platform` "linux/arm64" chooses among the variants of a multi-platform image; "" is the one that the name stands
  /// for: the last that was pulled. Throws not_found when there is no such variant here.
  virtual ImageInspect inspect(const std::string& name, const std::string& platform) = 0;
  virtual std::vector<HistoryEntry> history(const std::string& name, const std::string& platform) = 0;
  /// nullopt when the name stands for no index, or for one without this variant.
  virtual std::optional<ResolvedImage> find_variant(const std::string& name, const std::string& platform) = 0;
  /// What a name stands for with all its platforms; of an image of one platform, that.
  virtual IndexView describe_index(const std::string& name) = 0;
  virtual void tag(const std::string& name, const std::string& repository, const std::string& tag) = 0;
  virtual std::vector<DeleteResponse> remove(const std::string& name, bool force, bool prune) = 0;
  /// For those who have decided by what list() said: removes nothing (not_found) when `name` means another image than
  /// `id` by now, or is this ID and the image has got a name.
  virtual std::vector<DeleteResponse> remove_unchanged(const std::string& name, const std::string& id) = 0;
  /// Of a name that stands for several platforms only these variants; the name goes with the last one that is here.
  virtual std::vector<DeleteResponse> remove_variants(const std::string& name, const Platforms& platforms, bool force,
                                                      bool prune) = 0;

  virtual void load(ByteSource& archive, ByteSink& progress, bool quiet, const Platforms& platforms) = 0;
  /// Throws what save() would throw before its first byte: not_found, invalid.
  virtual void check_saveable(const std::vector<std::string>& names, const Platforms& platforms) = 0;
  /// A docker-archive with an OCI layout beside it. Of a name with several variants the first form has the one that the
  /// name stands for, the second all of them. A failure after the first byte (a damaged layer) leaves the archive
  /// without its end: tell the reader by breaking off.
  virtual void save(const std::vector<std::string>& names, const Platforms& platforms, ByteSink& archive) = 0;
  /// Returns the new image's ID.
  virtual std::string import(ByteSource& tar, ByteSink& progress, const std::string& reference,
                             const std::string& message, const oci::ContainerConfig& config,
                             const std::string& platform) = 0;

  /// One more layer, out of the tar `diff`, on top of the parent; a diff without entries adds none. Returns the new
  /// image's ID.
  virtual std::string commit(ByteSource& diff, const CommitRequest& request) = 0;

  struct PullRequest {
    oci::Reference reference;  ///< with a tag or a digest
    std::string platform;      ///< "linux/arm64"; "" is this machine's
    unsigned concurrency = 3;  ///< layers at a time
  };
  /// Fetches, verifies and unpacks an image in one pass, layers concurrently; Docker's messages go to `progress`.
  /// Layers that were complete when it failed are kept for kKeepUnfinished, so that the next try goes on from there;
  /// not when the disk is full.
  /// Throws not_found, invalid, unauthorized, system with Docker's texts.
  virtual void pull(Remote& remote, const PullRequest& request, ByteSink& progress) = 0;

  static constexpr std::chrono::minutes kKeepUnfinished{15};
  /// Gives up what is kept until `time` at most; returns the bytes on disk that came free.
  virtual std::uint64_t drop_unfinished(std::chrono::steady_clock::time_point time) = 0;

  struct PushRequest {
    oci::Reference reference;    ///< with a tag
    std::string platform;        ///< "linux/arm64": only that variant; "" is all of a multi-platform image
    unsigned concurrency = 5;    ///< layers at a time
    bool all_platforms = false;  ///< fetches variants that are not here from where the image came from
    LayerCompression compression = LayerCompression::gzip;  ///< zstd: layers and manifest are new, in OCI's form
  };
  /// Sends what the registry lacks, and the manifest last. A multi-platform index goes with its
  /// digest when all of its variants are here or there; else this machine's variant goes alone, and is said to.
  virtual void push(Remote& remote, const PushRequest& request, ByteSink& progress) = 0;
  /// The tags of a repository ("localhost:5000/app"), for `push -a`; sorted.
  virtual std::vector<oci::Reference> tags_in(const oci::Reference& repository) = 0;

  /// Everything that `docker images` needs, unfiltered; one entry an image.
  virtual std::vector<StoredImage> list() = 0;
  /// Removes layers that neither an image nor a container has, and compressed forms when they are not to be kept (any
  /// more). To be called at the start, when the containers are known, and when a container is gone whose image was
  /// already.
  virtual void collect() = 0;
  /// Gives up the compressed forms that are kept of its layers; returns the bytes on disk that came free.
  virtual std::uint64_t drop_blobs(const std::string& id) = 0;
  virtual std::int64_t files_size(const std::string& id) = 0;      ///< bytes of the files that a container sees
  virtual std::uint64_t layers_size() = 0;                         ///< bytes on disk of all layers together
  virtual std::map<std::string, std::uint64_t> layer_sizes() = 0;  ///< chain ID to bytes on disk

  /// A container of this image has ended its life just now: StoredImage::last_used.
  virtual void note_use(const std::string& id) = 0;

  /// Verifies every document, layer and reference while the store is in use, and writes image::CheckLine lines to
  /// `report`, among Docker's progress messages. With `repair`, what nobody needs is removed, and a damaged layer
  /// under no container is taken out, so that the next load or pull of its image makes it again.
  virtual void check(bool repair, ByteSink& report) = 0;
};

struct StoreOptions {
  std::string root;  ///< data root; the store owns <root>/content and, through `driver`, the layers
  graph::Driver* driver = nullptr;
  db::Database* database = nullptr;
  bool keep_blobs = true;  ///< compressed layers that can't be made again bit for bit stay beside the unpacked ones
  FindUses find_uses;
  OnEvent on_event;
};

/// Loads the index; drops content that nothing refers to. An image whose layer or config is missing is kept
/// in the index and fails only when it is used, saying what to do.
std::unique_ptr<ImageStore> open_store(StoreOptions options);

}  // namespace berth::image
