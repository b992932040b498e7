#include <algorithm>
#include <set>

#include "archive/compression.h"
#include "archive/digest.h"
#include "base/core/error.h"
#include "base/core/text.h"
#include "image/documents.h"
#include "image/kept_blob.h"
#include "image/progress.h"
#include "image/pushed.h"
#include "image/store.h"
#include "image/upload.h"
#include "image/workers.h"
#include "oci/digest.h"

namespace berth::image {

namespace {

constexpr std::string_view kMediaDockerConfig = "application/vnd.docker.container.image.v1+json",
                           kMediaDockerLayer = "application/vnd.docker.image.rootfs.diff.tar.gzip",
                           kMediaGzipLayer = "application/vnd.oci.image.layer.v1.tar+gzip",
                           kMediaZstdLayer = "application/vnd.oci.image.layer.v1.tar+zstd";
constexpr int kZstdLevel = 3;

}  // namespace

/// One image on its way to one tag.
class Push {
 public:
  Push(Store& store, Remote& remote, const ImageStore::PushRequest& request, Progress& progress)
      : store_(store),
        remote_(remote),
        request_(request),
        progress_(progress),
        reading_(store),
        is_zstd_(request.compression == LayerCompression::zstd) {}

  /// All that it needs of the store, which it holds from now on: the image may be removed meanwhile.
  void take(ImagePtr image) {
    image_ = std::move(image);
    config_text_ = store_.content_.get(image_->id);
    manifest_text_ = store_.content_.get(image_->manifest_digest);
    came_as_ = json::from_json<oci::Manifest>(manifest_text_);
    const oci::Image config = parse_config(config_text_);
    for (std::size_t i = 0; i < image_->chain_ids.size(); ++i) {
      Layer layer{.chain = image_->chain_ids[i], .diff_id = config.rootfs.diff_ids.at(i), .came_as = {}};
      if (i < came_as_.layers.size()) layer.came_as = came_as_.layers[i].digest;
      if (!reading_.pins().add_existing(layer.chain)) {
        throw system_error(
            cat("layer ", layer.diff_id, " is missing on the disk; remove the image and load or pull it again"));
      }
      if (const auto record = store_.catalog_.find_layer(layer.chain)) layer.tar_size = record->tar_size;
      layers_.push_back(std::move(layer));
    }
  }

  void run() {
    plan();
    send_layers();
    send_config();
    send_manifest();
  }

 private:
  struct Layer {
    std::string chain, diff_id;
    std::string came_as;  ///< the blob's digest in the image's manifest; the diff ID in one that was made here
    std::uint64_t tar_size = 0;
    oci::Descriptor blob{};  ///< once it is there
  };

  void plan() {
    std::set<std::string> shown;
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      Layer& layer = layers_[i];
      if (i < came_as_.layers.size() && oci::is_foreign_layer(came_as_.layers[i].media_type)) {
        layer.blob = came_as_.layers[i];
      }
      if (shown.insert(layer.diff_id).second) progress_.step("Preparing", oci::short_id(layer.diff_id));
    }
  }

  void send_layers() {
    std::vector<Layer*> unique;
    for (Layer& layer : layers_) {
      if (std::none_of(unique.begin(), unique.end(), [&](Layer* one) { return one->diff_id == layer.diff_id; })) {
        unique.push_back(&layer);
      }
    }
    for_each_concurrently(
        unique.size(), request_.concurrency, [&](std::size_t i) { send_layer(*unique[i]); },
        [this] { remote_.interrupt(); });
    for (Layer& layer : layers_) {
      const auto same =
          std::find_if(unique.begin(), unique.end(), [&](Layer* one) { return one->diff_id == layer.diff_id; });
      layer.blob = (*same)->blob;
    }
  }

  void send_layer(Layer& layer) {
    const std::string id = oci::short_id(layer.diff_id);
    if (layer.blob.size > 0) {
      progress_.step("Skipped foreign layer", id);
      return;
    }
    const std::optional<KeptBlob> kept = open_kept(layer);
    if (find_there(layer, id, kept)) return;
    if (kept && send_kept_blob(remote_, *kept, progress_, id)) {
      layer.blob = describe(*kept);
    } else {
      upload(layer, id);
    }
    progress_.step("Pushed", id);
  }

  /// As the image came with it, or in whatever form when the image has never been on a registry.
  std::optional<KeptBlob> open_kept(const Layer& layer) const {
    std::optional<KeptBlob> kept = open_kept_blob(store_.driver_.layer_folder(layer.chain));
    if (!kept || (is_zstd_ && !kept->is_zstd)) return std::nullopt;
    if (kept->digest != layer.came_as && layer.came_as != layer.diff_id) return std::nullopt;
    return kept;
  }

  /// What the registry is known to have had is looked for before it is sent: first of all what the image came with; of
  /// a layer that is kept so only that, since with another one the image would have another digest.
  bool find_there(Layer& layer, const std::string& id, const std::optional<KeptBlob>& kept) {
    const std::string own = request_.reference.name();
    const std::string& wanted = kept ? kept->digest : layer.came_as;
    std::vector<BlobSources::Source> sources, others;
    for (BlobSources::Source& source : store_.blob_sources_.find(layer.diff_id))
      (source.blob.digest == wanted ? sources : others).push_back(std::move(source));
    if (kept)
      sources.push_back({.blob = describe(*kept), .repository = own});
    else
      sources.insert(sources.end(), others.begin(), others.end());
    std::set<std::string> asked;
    for (const BlobSources::Source& source : sources) {
      if (is_zstd_ && !source.blob.media_type.ends_with("zstd")) continue;
      const auto [domain, path] = split_repository(source.repository);
      if (source.repository != own && domain == request_.reference.domain) {
        if (remote_.mount_blob(source.blob.digest, path)) {
          layer.blob = source.blob;
          progress_.step(cat("Mounted from ", path), id);
          return true;
        }
      }
      if (asked.insert(source.blob.digest).second && remote_.has_blob(source.blob.digest)) {
        layer.blob = source.blob;
        progress_.step("Layer already exists", id);
        return true;
      }
    }
    return false;
  }

  static oci::Descriptor describe(const KeptBlob& kept) {
    return {.media_type = std::string{kept.is_zstd ? kMediaZstdLayer : kMediaDockerLayer},
            .digest = kept.digest,
            .size = static_cast<std::int64_t>(kept.size)};
  }

  /// The same tar compressed again gives the same bytes, so an upload that was cut goes on with those that are missing.
  void upload(Layer& layer, const std::string& id) {
    send_blob(
        remote_, [&](ByteSink& target) { return produce(layer, id, target); }, [&] { progress_.step("Retrying", id); });
  }

  std::string produce(Layer& layer, const std::string& id, ByteSink& target) {
    archive::HashingSink hashed{target};
    const auto compressed = [&](auto compressor) {
      ProgressSink shown{compressor, progress_, "Pushing", id, layer.tar_size};
      write_layer(store_.driver_.layer_folder(layer.chain), layer.diff_id, shown);
      compressor.finish();
    };
    if (is_zstd_) {
      compressed(archive::ZstdSink{hashed, kZstdLevel});
    } else {
      compressed(archive::GzipSink{hashed});
    }
    layer.blob = {.media_type = std::string{is_zstd_ ? kMediaZstdLayer : kMediaDockerLayer},
                  .digest = hashed.finish(),
                  .size = static_cast<std::int64_t>(hashed.count())};
    return layer.blob.digest;
  }

  void send_config() {
    if (remote_.has_blob(image_->id)) return;
    const auto produce = [&](ByteSink& target) {
      target.write(config_text_);
      return image_->id;
    };
    send_blob(remote_, produce, [&] { progress_.step("Retrying", oci::short_id(image_->id)); });
  }

  /// The manifest as it came, when every layer is there as it says; else a new one in Docker's schema 2.
  std::pair<std::string, std::string> choose_manifest() {
    const bool same =
        came_as_.layers.size() == layers_.size() &&
        std::equal(layers_.begin(), layers_.end(), came_as_.layers.begin(),
                   [](const Layer& layer, const oci::Descriptor& blob) { return layer.blob.digest == blob.digest; });
    if (same)
      return {came_as_.media_type.empty() ? std::string{oci::kMediaManifest} : came_as_.media_type, manifest_text_};
    // Docker's form has no other layers than gzip's.
    const bool plain_docker =
        std::ranges::all_of(layers_, [](const Layer& layer) { return layer.blob.media_type == kMediaDockerLayer; });
    oci::Manifest made;
    made.media_type = plain_docker ? oci::kMediaDockerManifest : oci::kMediaManifest;
    made.config = {.media_type = std::string{plain_docker ? kMediaDockerConfig : oci::kMediaConfig},
                   .digest = image_->id,
                   .size = static_cast<std::int64_t>(config_text_.size())};
    for (const Layer& layer : layers_) {
      oci::Descriptor blob{.media_type = layer.blob.media_type, .digest = layer.blob.digest, .size = layer.blob.size};
      blob.urls = layer.blob.urls;
      if (!plain_docker && blob.media_type == kMediaDockerLayer) blob.media_type = kMediaGzipLayer;
      made.layers.push_back(std::move(blob));
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
    progress_.aux(json::to_json(PushedAux{target.tag, digest, static_cast<std::int64_t>(text.size())}));
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
  Progress& progress_;
  Store::Reading reading_;
  const bool is_zstd_;
  ImagePtr image_;
  std::string config_text_, manifest_text_;
  oci::Manifest came_as_;
  std::vector<Layer> layers_;
};

void Store::push(Remote& remote, const PushRequest& request, ByteSink& sink) {
  const oci::Reference& target = request.reference;
  Progress progress{sink, false};
  progress.status(cat("The push refers to repository [", target.name(), "]"));
  const auto id = catalog_.find_tag(target.full());
  ImagePtr image = id ? catalog_.find_image(*id) : nullptr;
  if (image == nullptr) throw not_found(cat("tag does not exist: ", target.familiar()));
  if (!request.platform.empty()) image = get_variant(target.familiar(), request.platform);
  const bool whole = request.platform.empty() && request.compression == LayerCompression::gzip;
  const std::shared_ptr<const Indexes::Index> index = whole ? index_of(target.full()) : nullptr;
  Push single{*this, remote, request, progress};
  single.take(image);
  if (index != nullptr && push_index(remote, request, *index, progress)) return;
  single.run();
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
