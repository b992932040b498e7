#include <algorithm>
#include <atomic>
#include <cerrno>
#include <deque>
#include <set>

#include "archive/digest.h"
#include "base/core/error.h"
#include "base/core/text.h"
#include "image/documents.h"
#include "image/platform.h"
#include "image/progress.h"
#include "image/resolve.h"
#include "image/store.h"
#include "image/workers.h"
#include "oci/digest.h"

namespace berth::image {

namespace {

constexpr std::int64_t kMaxConfigBytes = 16 << 20;
constexpr std::size_t kMaxLayers = 500;  // what overlayfs stacks
constexpr std::uint64_t kWorthSyncing = 8 << 20;

/// Takes a name out of PulledLayers' claims for as long as it lives.
class Claim {
 public:
  Claim(PulledLayers& layers, std::string name) : layers_(layers), name_(std::move(name)) {}
  ~Claim() { layers_.release(name_); }
  Claim(const Claim&) = delete;
  Claim& operator=(const Claim&) = delete;

 private:
  PulledLayers& layers_;
  std::string name_;
};

/// SQLite says it in words only.
bool is_disk_full(const Error& error) {
  return error.error_number() == ENOSPC || error.error_number() == EDQUOT ||
         error.text().find("no space left on device") != std::string::npos;
}

}  // namespace

/// One pull, step by step.
class Pull {
 public:
  Pull(Store& store, Remote& remote, const ImageStore::PullRequest& request, ByteSink& sink)
      : store_(store),
        remote_(remote),
        request_(request),
        progress_(sink, false),
        pins_(std::make_unique<Pins::Set>(store.pins_)),
        keeping_(store.options_.keep_blobs, [this] { drop_kept(); }) {}

  void run() {
    const oci::Reference& wanted = request_.reference;
    resolved_ = resolve_manifest(remote_, wanted, parse_platform(request_.platform));
    // Not before: what fails until here has a status of its own.
    progress_.headline(cat("Pulling from ", wanted.path), wanted.tag.empty() ? wanted.digest : wanted.tag);
    read_config();
    plan();
    try {
      fetch();
      commit();
    } catch (const Error& error) {
      keep_for_next_try(is_disk_full(error) ? Rest::nothing : Rest::whole_layers);
      throw;
    } catch (...) {
      keep_for_next_try(Rest::nothing);
      throw;
    }
    progress_.status(cat("Digest: ", resolved_.digest));
    progress_.status(
        cat("Status: ", news_ ? "Downloaded newer image for " : "Image is up to date for ", wanted.familiar()));
    store_.report("pull", wanted.familiar(), wanted.familiar_name());
  }

 private:
  /// A layer that is not here yet. `layer` is what the commit takes; `chain` its first name in this image.
  struct Job {
    ArchivedLayer layer;
    oci::Descriptor blob;
    std::string chain, parent;
  };

  void read_config() {
    const oci::Descriptor& descriptor = resolved_.manifest.config;
    if (descriptor.size > kMaxConfigBytes) {
      throw invalid(cat("the image's config is said to have ", descriptor.size, " bytes, which is too much"));
    }
    image_.id = descriptor.digest;
    if (store_.catalog_.find_image(descriptor.digest) != nullptr) {
      image_.config_text = store_.content_.get(descriptor.digest);
    } else {
      const std::unique_ptr<ByteSource> source = remote_.open_blob(descriptor);
      std::string& text = image_.config_text;
      char piece[16 << 10];
      while (const std::size_t got = source->read(piece, sizeof piece)) text.append(piece, got);
      if (archive::sha256(text) != descriptor.digest) {
        throw system_error(cat("image config verification failed for digest ", descriptor.digest));
      }
    }
    image_.config = parse_config(image_.config_text);
    const std::string& os = image_.config.os;
    if (!os.empty() && os != "linux") {
      throw invalid(cat("image operating system ", quoted(os), " cannot be used on this platform"));
    }
  }

  void plan() {
    const std::vector<std::string>& diff_ids = image_.config.rootfs.diff_ids;
    if (diff_ids.size() != resolved_.manifest.layers.size()) {
      throw invalid("layers from manifest don't match image configuration");
    }
    if (diff_ids.size() > kMaxLayers) throw invalid(cat("the image has more than ", kMaxLayers, " layers"));
    const std::vector<std::string> chains = chain_ids_of(diff_ids);
    std::map<std::string, ArchivedLayer*> by_diff;
    for (std::size_t i = 0; i < diff_ids.size(); ++i) {
      const oci::Descriptor& blob = resolved_.manifest.layers[i];
      layers_.push_back({.diff_id = diff_ids[i], .blob = blob});
      const auto known = by_diff.find(diff_ids[i]);
      if (known != by_diff.end()) {
        image_.layers.push_back(known->second);
        continue;
      }
      Job& job = jobs_.emplace_back();
      job.layer.diff_id = diff_ids[i];
      job.layer.blob_digest = blob.digest;
      job.layer.archived_size = static_cast<std::uint64_t>(blob.size);
      job.blob = blob;
      job.chain = chains[i];
      job.parent = i == 0 ? "" : chains[i - 1];
      by_diff[diff_ids[i]] = &job.layer;
      image_.layers.push_back(&job.layer);
      if (take_existing(job)) {
        progress_.step("Already exists", oci::short_id(blob.digest));
      } else {
        progress_.step("Pulling fs layer", oci::short_id(blob.digest));
        missing_.push_back(&job);
      }
    }
  }

  /// A layer with this content that is on the disk, under this name or another one.
  bool take_existing(Job& job) {
    const std::string& diff = job.layer.diff_id;
    for (const std::optional<LayerRecord>& layer :
         {store_.catalog_.find_layer(job.chain), store_.pulled_.find(job.chain),
          store_.catalog_.find_layer_by_diff(diff), store_.pulled_.find_by_diff(diff)}) {
      if (!layer || !pins_->add_existing(layer->chain_id)) continue;
      job.layer.size = layer->size;
      job.layer.tar_size = layer->tar_size;
      job.layer.source_chain = layer->chain_id;
      return true;
    }
    return false;
  }

  void fetch() {
    for_each_concurrently(
        missing_.size(), request_.concurrency, [this](std::size_t i) { fetch_one(*missing_[i]); },
        [this] {
          failed_ = true;
          remote_.interrupt();  // the others need not go on
        });
  }

  void fetch_one(Job& job) {
    const std::string id = oci::short_id(job.blob.digest);
    // What the layer holds is only the config's word before it has come: who waits for another pull, waits for the same
    // bytes from the same registry.
    const std::string name = cat(request_.reference.domain, " ", job.blob.digest);
    while (!store_.pulled_.claim(name, [this] { return failed_ || remote_.is_interrupted(); })) {
      if (!take_existing(job)) continue;  // the other one failed
      progress_.step("Already exists", id);
      return;
    }
    const Claim claim{store_.pulled_, name};
    if (take_existing(job)) {
      progress_.step("Already exists", id);
      return;
    }
    MadeLayer made = receive(job, id);
    if (made.diff_id != job.layer.diff_id) throw invalid("layers from manifest don't match image configuration");
    progress_.step("Download complete", id);
    job.layer.size = made.size;
    job.layer.tar_size = made.tar_size;
    job.layer.source_chain = job.chain;
    pins_->add(job.chain);
    store_.name_layer(*made.staged, job.chain, job.parent);
    {
      const std::lock_guard lock{made_mutex_};
      made_.push_back(job.chain);
      verified_.insert({made.diff_id, job.blob.digest});
    }
    if (!keeping_.is_on()) drop_kept(job.chain);
    store_.pulled_.add({.chain_id = job.chain,
                        .diff_id = made.diff_id,
                        .size = made.size,
                        .tar_size = made.tar_size,
                        .blob_size = kept_blob_size(store_.driver_.layer_folder(job.chain))});
    // The disk has something to do while others are still inflating, instead of all of it at the end.
    if (made.tar_size >= kWorthSyncing) store_.driver_.sync();
    news_ = true;
    progress_.step("Pull complete", id);
  }

  MadeLayer receive(const Job& job, const std::string& id) {
    for (;;) {
      std::optional<MadeLayer> made;
      try {
        const std::unique_ptr<ByteSource> blob = remote_.open_blob(job.blob);
        ProgressSource shown{
            *blob, progress_, "Downloading", id, job.layer.archived_size, std::chrono::milliseconds{0}};
        // Foreign layers are not pushed.
        made = make_layer(store_.driver_, shown, oci::is_foreign_layer(job.blob.media_type) ? nullptr : &keeping_);
      } catch (const Error& error) {
        // What can't be unpacked was perhaps not sent right.
        if (error.kind() != ErrorKind::invalid || !remote_.distrust_blob(job.blob.digest)) throw;
        continue;
      }
      if (made->blob_digest == job.blob.digest) return std::move(*made);
      if (!remote_.distrust_blob(job.blob.digest)) {
        throw system_error(cat("filesystem layer verification failed for digest ", job.blob.digest));
      }
    }
  }

  /// Rather an image without compressed forms than none.
  void drop_kept() noexcept {
    const std::lock_guard lock{made_mutex_};
    for (const std::string& chain : made_) drop_kept(chain);
  }

  void drop_kept(const std::string& chain) noexcept {
    try {
      store_.forget_blob(chain);
    } catch (const std::exception&) {  // it is only space that is not won
    }
  }

  void commit() {
    const oci::Reference& wanted = request_.reference;
    image_.manifest_text = resolved_.manifest_text;
    image_.index_texts = resolved_.index_texts;
    oci::Reference by_digest = wanted;
    by_digest.tag.clear();
    by_digest.digest = resolved_.digest;
    image_.tags = {by_digest};
    if (!wanted.tag.empty() && wanted.digest.empty()) image_.tags.push_back(wanted);
    for (const oci::Reference& tag : image_.tags) {
      const auto known = store_.catalog_.find_tag(tag.full());
      if (!known || *known != image_.id) news_ = true;
    }
    std::vector<IncomingImage> images;
    images.push_back(image_);
    store_.commit(images, *pins_, nullptr);
    store_.pulled_.forget(made_);
    std::vector<std::string> chains;
    for (const Job& job : jobs_) chains.push_back(job.chain);
    store_.pulled_.forget_retained(chains);  // of earlier tries
    remember_blobs();
    end_pins();
  }

  /// Which blob is which layer, where that is known: manifest and config say it of any blob and any layer, and a push
  /// would believe it. Of a blob that has not come now, size and type are those that it had when it came.
  void remember_blobs() {
    std::vector<BlobSources::Seen> seen;
    for (const BlobSources::Seen& layer : layers_) {
      if (verified_.contains({layer.diff_id, layer.blob.digest})) {
        seen.push_back(layer);
        continue;
      }
      for (const BlobSources::Source& known : store_.blob_sources_.find(layer.diff_id)) {
        if (known.blob.digest != layer.blob.digest) continue;
        seen.push_back({.diff_id = layer.diff_id, .blob = known.blob});
        break;
      }
    }
    store_.blob_sources_.remember(request_.reference.name(), seen);
  }

  /// An rmi may have taken the image already.
  void end_pins() {
    const std::vector<std::string> chains = pins_->chain_ids();
    pins_.reset();
    store_.collect_unwanted(chains);
  }

  enum class Rest { whole_layers, nothing };

  /// On a full disk nothing is kept, nor what was of earlier tries: others need the space.
  void keep_for_next_try(Rest rest) {
    if (!made_.empty() && rest == Rest::whole_layers) {
      store_.pulled_.retain(std::move(pins_), made_);
      return;
    }
    pins_.reset();
    store_.pulled_.forget(made_);
    store_.pulled_.drop_retained(std::chrono::steady_clock::time_point::max());
    store_.collect_layers();
  }

  Store& store_;
  Remote& remote_;
  const ImageStore::PullRequest& request_;
  Progress progress_;
  std::unique_ptr<Pins::Set> pins_;
  ResolvedManifest resolved_;
  IncomingImage image_;
  std::deque<Job> jobs_;  ///< never moves: image_.layers points into it
  std::vector<Job*> missing_;
  std::vector<BlobSources::Seen> layers_;  ///< as manifest and config pair them
  std::mutex made_mutex_;
  std::vector<std::string> made_;                           ///< chain IDs that this pull has put on the disk
  std::set<std::pair<std::string, std::string>> verified_;  ///< diff ID and blob digest, seen to belong together
  std::atomic<bool> failed_{false}, news_{false};
  BlobKeeping keeping_;
};

void Store::pull(Remote& remote, const PullRequest& request, ByteSink& progress) {
  drop_unfinished(std::chrono::steady_clock::now());
  Pull{*this, remote, request, progress}.run();
}

}  // namespace berth::image
