#include <algorithm>
#include <atomic>

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

/// A multi-platform index on its way to one tag, with the digest that it came with. So everything that it leads to must
/// arrive bit for bit: what the registry has already or another of its repositories has; else the layer as it was kept,
/// or made again, if compressing it gives the same bytes as it came with; else what the repository has that the image
/// came from.
namespace berth::image {

namespace {

/// Docker's CLI tells its user. Spec: moby api/types/auxprogress, ManifestPushedInsteadOfIndex.
struct PushedInstead {
  bool manifest_pushed_instead_of_index = true;
  oci::Descriptor original_index, selected_manifest;
  static void describe(auto& self, auto&& field) {
    field("manifestPushedInsteadOfIndex", self.manifest_pushed_instead_of_index);
    field("originalIndex", self.original_index);
    field("selectedManifest", self.selected_manifest);
  }
};

}  // namespace

class IndexPush {
 public:
  IndexPush(Store& store, Remote& remote, const ImageStore::PushRequest& request, const Indexes::Index& index,
            Progress& progress)
      : store_(store), remote_(remote), request_(request), index_(index), progress_(progress), reading_(store) {
    for (const auto& [name, digest] : store.catalog_.indexes()) {
      if (digest != index.descriptor.digest) continue;
      const oci::Reference reference = oci::parse_reference(name);
      const bool known =
          std::ranges::any_of(sources_, [&](const oci::Reference& other) { return other.name() == reference.name(); });
      if (!known && reference.name() != request.reference.name()) sources_.push_back(reference);
    }
    // Within one registry nothing has to travel.
    std::ranges::sort(sources_, std::ranges::greater{}, [&](const auto& source) { return is_near(source); });
  }

  bool run() {
    if (!gather()) return false;
    for (const Document& document : documents_) plan_blobs(document);
    if (!send_blobs()) return false;
    for (const Document& document : documents_) remote_.put_manifest(document.digest, document.type, document.text);
    for (const oci::Descriptor& inner : index_.inner) {
      if (remote_.has_manifest(inner.digest)) continue;
      remote_.put_manifest(inner.digest, inner.media_type, inner_texts_[inner.digest]);
    }
    finish();
    return true;
  }

 private:
  struct Document {
    std::string digest, type, text;
  };
  struct Local {
    std::string manifest, config;
    ImagePtr image;
    std::vector<std::string> diff_ids;
  };
  struct Blob {
    oci::Descriptor descriptor;
    std::string text;            ///< of a config that is here
    std::string chain, diff_id;  ///< of a layer that is here
  };

  bool is_near(const oci::Reference& source) const { return source.domain == request_.reference.domain; }

  /// All that the store has of it, and holds from now on: the image may be removed while the registry is asked.
  void take_local() {
    index_text_ = store_.content_.get(index_.descriptor.digest);
    for (const oci::Descriptor& inner : index_.inner) inner_texts_[inner.digest] = store_.content_.get(inner.digest);
    for (const Indexes::Member& member : index_.members) {
      ImagePtr image = member.image_id.empty() ? nullptr : store_.catalog_.find_image(member.image_id);
      if (image == nullptr || !store_.content_.has(member.manifest.digest)) continue;
      for (const std::string& chain : image->chain_ids) reading_.pins().add_existing(chain);
      Local& local = local_[member.manifest.digest];
      local.manifest = store_.content_.get(member.manifest.digest);
      local.config = store_.content_.get(image->id);
      local.diff_ids = parse_config(local.config).rootfs.diff_ids;
      local.image = std::move(image);
    }
  }

  /// The manifests that the registry lacks.
  bool gather() {
    take_local();
    for (const Indexes::Member& member : index_.members) {
      const std::string& digest = member.manifest.digest;
      if (remote_.has_manifest(digest)) continue;
      Document document{.digest = digest, .type = member.manifest.media_type, .text = {}};
      if (const auto local = local_.find(digest); local != local_.end()) {
        document.text = local->second.manifest;
      } else if (!fetch_manifest(document)) {
        return false;
      }
      document.type = type_of(document.text, document.type);
      documents_.push_back(std::move(document));
    }
    return true;
  }

  bool fetch_manifest(Document& document) {
    for (const oci::Reference& source : sources_) {
      if (!is_near(source) && !request_.all_platforms) continue;
      try {
        RemoteManifest found = remote_.source(source).get_manifest(document.digest);
        if (archive::sha256(found.text) != document.digest) continue;
        document.text = std::move(found.text);
        return true;
      } catch (const Error& error) {
        if (error.kind() == ErrorKind::cancelled) throw;
      }
    }
    return false;
  }

  void plan_blobs(const Document& document) {
    const oci::Manifest manifest = parse_manifest(document.text);
    const auto local = local_.find(document.digest);
    const ImagePtr image = local == local_.end() ? nullptr : local->second.image;
    add({.descriptor = manifest.config,
         .text = image != nullptr ? local->second.config : "",
         .chain = {},
         .diff_id = {}});
    for (std::size_t i = 0; i < manifest.layers.size(); ++i) {
      if (oci::is_foreign_layer(manifest.layers[i].media_type)) continue;
      Blob blob{.descriptor = manifest.layers[i], .text = {}, .chain = {}, .diff_id = {}};
      if (image != nullptr && i < image->chain_ids.size() && reading_.pins().add_existing(image->chain_ids[i])) {
        blob.chain = image->chain_ids[i];
        if (i < local->second.diff_ids.size()) blob.diff_id = local->second.diff_ids[i];
      }
      add(std::move(blob));
    }
  }

  void add(Blob blob) {
    oci::digest_hex(blob.descriptor.digest);  // throws for what is no digest
    const auto known = std::ranges::find_if(
        blobs_, [&](const Blob& other) { return other.descriptor.digest == blob.descriptor.digest; });
    if (known == blobs_.end())
      blobs_.push_back(std::move(blob));
    else if (known->text.empty() && known->chain.empty())  // of a variant that is not here
      *known = std::move(blob);
  }

  bool send_blobs() {
    std::atomic<bool> all{true};
    for_each_concurrently(
        blobs_.size(), request_.concurrency,
        [&](std::size_t i) {
          if (all && !send(blobs_[i])) all = false;
        },
        [this] { remote_.interrupt(); });
    return all;
  }

  bool send(const Blob& blob) {
    const std::string& digest = blob.descriptor.digest;
    const std::string id = oci::short_id(digest);
    if (remote_.has_blob(digest)) {
      progress_.step("Layer already exists", id);
      return true;
    }
    if (!blob.text.empty()) {
      upload(blob, [&](ByteSink& target) {
        target.write(blob.text);
        return digest;
      });
      return true;
    }
    for (const oci::Reference& source : sources_) {
      if (is_near(source) && remote_.mount_blob(digest, source.path)) {
        progress_.step(cat("Mounted from ", source.path), id);
        return true;
      }
    }
    if (send_kept(blob) || make_again(blob) || copy(blob)) {
      progress_.step("Pushed", id);
      return true;
    }
    return false;
  }

  void upload(const Blob& blob, const std::function<std::string(ByteSink&)>& produce) {
    send_blob(remote_, produce, [&] { progress_.step("Retrying", oci::short_id(blob.descriptor.digest)); });
  }

  bool send_kept(const Blob& blob) {
    if (blob.chain.empty()) return false;
    const auto kept = open_kept_blob(store_.driver_.layer_folder(blob.chain));
    return kept && kept->digest == blob.descriptor.digest &&
           send_kept_blob(remote_, *kept, progress_, oci::short_id(kept->digest));
  }

  /// Only a layer that Berth itself has pushed before comes out as it went; finding out costs no more than a pass over
  /// it.
  bool make_again(const Blob& blob) {
    if (blob.chain.empty() || blob.diff_id.empty()) return false;
    class Nothing final : public ByteSink {
      void write(std::string_view) override {}
    } nothing;
    const auto write = [&](ByteSink& target) {
      archive::HashingSink hashed{target};
      if (blob.descriptor.digest == blob.diff_id) {
        write_layer(store_.driver_.layer_folder(blob.chain), blob.diff_id, hashed);
      } else {
        archive::GzipSink gzip{hashed};
        write_layer(store_.driver_.layer_folder(blob.chain), blob.diff_id, gzip);
        gzip.finish();
      }
      return hashed.finish();
    };
    if (write(nothing) != blob.descriptor.digest) return false;
    upload(blob, write);
    return true;
  }

  bool copy(const Blob& blob) {
    for (const oci::Reference& source : sources_) {
      try {
        upload(blob, [&](ByteSink& target) { return copy_from(source, blob.descriptor, target); });
        return true;
      } catch (const Error& error) {
        if (error.kind() == ErrorKind::cancelled) throw;
        // That repository has it no more, or is gone: the next.
      }
    }
    return false;
  }

  std::string copy_from(const oci::Reference& source, const oci::Descriptor& blob, ByteSink& target) {
    const std::unique_ptr<ByteSource> origin = remote_.source(source).open_blob(blob);
    std::string piece(256 << 10, '\0');
    archive::HashingSink hashed{target};
    while (const std::size_t got = origin->read(piece.data(), piece.size())) hashed.write({piece.data(), got});
    if (hashed.finish() != blob.digest) throw system_error(cat("verification failed for digest ", blob.digest));
    return blob.digest;
  }

  void finish() {
    const oci::Reference& target = request_.reference;
    const oci::Descriptor& descriptor = index_.descriptor;
    remote_.put_manifest(target.tag, descriptor.media_type, index_text_);
    remember();
    progress_.status(cat(target.tag, ": digest: ", descriptor.digest, " size: ", descriptor.size));
    progress_.aux(json::to_json(PushedAux{target.tag, descriptor.digest, descriptor.size}));
    store_.report("push", target.familiar(), target.familiar_name());
  }

  /// The name by digest is good from now on.
  void remember() {
    const oci::Reference& target = request_.reference;
    oci::Reference by_digest = target;
    by_digest.tag.clear();
    by_digest.digest = index_.descriptor.digest;
    const std::lock_guard lock{store_.changes_};
    const auto id = store_.catalog_.find_tag(target.full());
    if (!id || store_.catalog_.find_index(target.full()) != index_.descriptor.digest) return;  // changed meanwhile
    store_.catalog_.apply(
        {.put_tags = {{by_digest.full(), *id}}, .put_indexes = {{by_digest.full(), index_.descriptor.digest}}});
    store_.write_index();
  }

  Store& store_;
  Remote& remote_;
  const ImageStore::PushRequest& request_;
  const Indexes::Index& index_;
  Progress& progress_;
  Store::Reading reading_;
  std::map<std::string, Local> local_;  ///< variants that are here, by the digest of their manifest
  std::string index_text_;
  std::map<std::string, std::string> inner_texts_;  ///< by digest
  std::vector<oci::Reference> sources_;             ///< repositories in which this index was seen
  std::vector<Document> documents_;
  std::vector<Blob> blobs_;
};

bool Store::push_index(Remote& remote, const PushRequest& request, const Indexes::Index& index, Progress& progress) {
  if (IndexPush{*this, remote, request, index, progress}.run()) return true;
  const auto id = catalog_.find_tag(request.reference.full());
  PushedInstead note{.original_index = index.descriptor, .selected_manifest = {}};
  for (const Indexes::Member& member : index.members) {
    if (id && member.image_id == *id) note.selected_manifest = member.manifest;
  }
  progress.aux(json::to_json(note));
  return false;
}

}  // namespace berth::image
