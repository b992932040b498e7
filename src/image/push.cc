#include <algorithm>
#include <atomic>
#include <thread>

#include "archive/compression.h"
#include "archive/digest.h"
#include "base/core/error.h"
#include "base/core/text.h"
#include "image/progress.h"
#include "image/store.h"
#include "oci/digest.h"

namespace berth::image {

namespace {

constexpr int kMostTries = 4;
constexpr std::string_view kMediaDockerConfig = "application/vnd.docker.container.image.v1+json",
                           kMediaDockerLayer = "application/vnd.docker.image.rootfs.diff.tar.gzip";

/// Shows how much of a layer's plain tar has been taken.
class ProgressSink final : public ByteSink {
 public:
  ProgressSink(ByteSink& target, Progress& progress, std::string id, std::uint64_t total)
      : target_(target), progress_(progress), id_(std::move(id)), total_(total) {}

  void write(std::string_view bytes) override {
    target_.write(bytes);
    current_ += bytes.size();
    const auto now = std::chrono::steady_clock::now();
    if (now < next_) return;
    next_ = now + std::chrono::milliseconds{100};
    progress_.advance("Pushing", id_, current_, total_);
  }

 private:
  ByteSink& target_;
  Progress& progress_;
  std::string id_;
  std::uint64_t total_, current_ = 0;
  std::chrono::steady_clock::time_point next_{};
};

/// "library/busybox" of "docker.io/library/busybox".
std::pair<std::string, std::string> split_repository(const std::string& name) {
  const std::size_t slash = name.find('/');
  return {name.substr(0, slash), slash == std::string::npos ? "" : name.substr(slash + 1)};
}

struct PushedAux {
  std::string tag, digest;
  std::int64_t size = 0;
  static void describe(auto& self, auto&& field) {
    field("Tag", self.tag);
    field("Digest", self.digest);
    field("Size", self.size);
  }
};

}  // namespace

/// One image on its way to one tag.
class Push {
 public:
  Push(Store& store, Remote& remote, const ImageStore::PushRequest& request, ByteSink& sink)
      : store_(store), remote_(remote), request_(request), progress_(sink, false), pins_(store.pins_) {}

  void run() {
    const oci::Reference& target = request_.reference;
    progress_.status(cat("The push refers to repository [", target.name(), "]"));
    const auto id = store_.catalog_.find_tag(target.full());
    image_ = id ? store_.catalog_.find_image(*id) : nullptr;
    if (image_ == nullptr) {
      throw not_found(cat("tag does not exist: ", target.familiar()));
    }
    config_text_ = store_.content_.get(image_->id);
    plan();
    send_layers();
    send_config();
    send_manifest();
  }

 private:
  struct Layer {
    std::string chain, diff_id;
    std::uint64_t tar_size = 0;
    oci::Descriptor blob{};  ///< once it is there
  };

  void plan() {
    const oci::Image config = parse_config(config_text_);
    for (std::size_t i = 0; i < image_->chain_ids.size(); ++i) {
      Layer layer{.chain = image_->chain_ids[i], .diff_id = config.rootfs.diff_ids.at(i)};
      if (!pins_.add_existing(layer.chain)) {
        throw system_error(
            cat("layer ", layer.diff_id, " is missing on the disk; remove the image and load or pull it again"));
      }
      if (const auto record = store_.catalog_.find_layer(layer.chain)) layer.tar_size = record->tar_size;
      const bool repeated = std::any_of(layers_.begin(), layers_.end(),
                                        [&](const Layer& other) { return other.diff_id == layer.diff_id; });
      if (!repeated) progress_.step("Preparing", oci::short_id(layer.diff_id));
      layers_.push_back(std::move(layer));
    }
  }

  void send_layers() {
    std::vector<Layer*> unique;
    for (Layer& layer : layers_) {
      if (std::none_of(unique.begin(), unique.end(), [&](Layer* one) { return one->diff_id == layer.diff_id; })) {
        unique.push_back(&layer);
      }
    }
    std::atomic<std::size_t> next{0};
    std::atomic<bool> failed{false};
    std::exception_ptr failure;
    std::mutex mutex;
    const auto work = [&] {
      try {
        for (std::size_t i; !failed && (i = next++) < unique.size();) send_layer(*unique[i]);
      } catch (...) {
        const std::lock_guard lock{mutex};
        if (!failure) failure = std::current_exception();
        failed = true;
        remote_.interrupt();
      }
    };
    const std::size_t count = std::min<std::size_t>(std::max(request_.concurrency, 1U), unique.size());
    std::vector<std::jthread> threads;
    for (std::size_t i = 1; i < count; ++i) threads.emplace_back(work);
    if (count > 0) work();
    threads.clear();
    if (failure) std::rethrow_exception(failure);
    for (Layer& layer : layers_) {
      const auto same =
          std::find_if(unique.begin(), unique.end(), [&](Layer* one) { return one->diff_id == layer.diff_id; });
      layer.blob = (*same)->blob;
    }
  }

  void send_layer(Layer& layer) {
    const std::string id = oci::short_id(layer.diff_id);
    if (find_there(layer, id)) return;
    for (int tries = 1;; ++tries) {
      try {
        upload(layer, id);
        progress_.step("Pushed", id);
        return;
      } catch (const Error& error) {
        if (tries == kMostTries || error.kind() != ErrorKind::unavailable) throw;
        progress_.step("Retrying", id);
      }
    }
  }

  /// What the registry is known to have had is looked for before it is sent.
  bool find_there(Layer& layer, const std::string& id) {
    const std::string own = request_.reference.name();
    for (const BlobSources::Source& source : store_.blob_sources_.find(layer.diff_id)) {
      const auto [domain, path] = split_repository(source.repository);
      if (source.repository != own && domain == request_.reference.domain) {
        if (remote_.mount_blob(source.blob.digest, path)) {
          layer.blob = source.blob;
          progress_.step(cat("Mounted from ", path), id);
          return true;
        }
      }
      if (remote_.has_blob(source.blob.digest)) {
        layer.blob = source.blob;
        progress_.step("Layer already exists", id);
        return true;
      }
    }
    return false;
  }

  void upload(Layer& layer, const std::string& id) {
    const std::unique_ptr<Remote::Upload> upload = remote_.begin_blob();
    archive::HashingSink hashed{*upload};
    archive::GzipSink gzip{hashed};
    ProgressSink shown{gzip, progress_, id, layer.tar_size};
    write_layer(store_.driver_.layer_folder(layer.chain), layer.diff_id, shown);
    gzip.finish();
    layer.blob.media_type = kMediaDockerLayer;
    layer.blob.size = static_cast<std::int64_t>(hashed.count());
    layer.blob.digest = hashed.finish();
    upload->finish(layer.blob.digest);
  }

  void send_config() {
    if (remote_.has_blob(image_->id)) return;
    const std::unique_ptr<Remote::Upload> upload = remote_.begin_blob();
    upload->write(config_text_);
    upload->finish(image_->id);
  }

  /// The manifest as it came, when every layer is there as it says; else a new one in Docker's schema 2.
  std::pair<std::string, std::string> choose_manifest() {
    const std::string original = store_.content_.get(image_->manifest_digest);
    auto manifest = json::from_json<oci::Manifest>(original);
    const bool same =
        manifest.layers.size() == layers_.size() &&
        std::equal(layers_.begin(), layers_.end(), manifest.layers.begin(),
                   [](const Layer& layer, const oci::Descriptor& blob) { return layer.blob.digest == blob.digest; });
    if (same) return {manifest.media_type.empty() ? std::string{oci::kMediaManifest} : manifest.media_type, original};
    oci::Manifest made;
    made.media_type = oci::kMediaDockerManifest;
    made.config = {.media_type = std::string{kMediaDockerConfig},
                   .digest = image_->id,
                   .size = static_cast<std::int64_t>(config_text_.size())};
    for (const Layer& layer : layers_) {
      made.layers.push_back(
          {.media_type = std::string{kMediaDockerLayer}, .digest = layer.blob.digest, .size = layer.blob.size});
    }
    return {made.media_type, json::to_json(made)};
  }

  void send_manifest() {
    const oci::Reference& target = request_.reference;
    const auto [type, text] = choose_manifest();
    remote_.put_manifest(target.tag, type, text);
    const std::string digest = archive::sha256(text);
    remember(digest);
    progress_.status(cat(target.tag, ": digest: ", digest, " size: ", text.size()));
    progress_.aux(
        json::to_json(PushedAux{.tag = target.tag, .digest = digest, .size = static_cast<std::int64_t>(text.size())}));
    store_.report("push", target.familiar(), target.familiar_name());
  }

  /// The name by digest is good from now on, and the next push finds its blobs there.
  void remember(const std::string& digest) {
    std::vector<BlobSources::Seen> seen;
    for (const Layer& layer : layers_) seen.push_back({.diff_id = layer.diff_id, .blob = layer.blob});
    store_.blob_sources_.remember(request_.reference.name(), seen);
    oci::Reference by_digest = request_.reference;
    by_digest.tag.clear();
    by_digest.digest = digest;
    const std::lock_guard lock{store_.changes_};
    if (store_.catalog_.find_image(image_->id) == nullptr) return;  // removed meanwhile
    store_.catalog_.apply({.put_tags = {{by_digest.full(), image_->id}}});
    store_.write_index();
  }

  Store& store_;
  Remote& remote_;
  const ImageStore::PushRequest& request_;
  Progress progress_;
  Pins::Set pins_;
  ImagePtr image_;
  std::string config_text_;
  std::vector<Layer> layers_;
};

void Store::push(Remote& remote, const PushRequest& request, ByteSink& progress) {
  Push{*this, remote, request, progress}.run();
}

std::vector<oci::Reference> Store::tags_in(const oci::Reference& repository) {
  std::vector<oci::Reference> found;
  for (const auto& [name, id] : catalog_.tags()) {
    const oci::Reference reference = oci::parse_reference(name);
    if (reference.name() == repository.name() && reference.digest.empty()) found.push_back(reference);
  }
  return found;
}

}  // namespace berth::image
