#include <algorithm>
#include <set>

#include "base/core/error.h"
#include "base/core/text.h"
#include "image/store.h"
#include "oci/digest.h"

namespace berth::image {

namespace {

struct Conflict {
  std::string image_id, message;
  bool hard = false;  ///< not even force helps
  bool used = false;  ///< by a container

  Error error() const {
    return conflict(cat("conflict: unable to delete ", oci::short_id(image_id), " (",
                        hard ? "cannot be forced" : "must be forced", ") - ", message));
  }
};

/// Which conflicts count.
struct Checks {
  bool references = true, stopped_containers = true;
};

/// At most one tag, and digests of that tag's repository only.
bool is_single(const std::vector<oci::Reference>& references) {
  if (references.size() <= 1) return true;
  std::set<std::string> digest_names, tag_names;
  std::size_t tags = 0;
  for (const oci::Reference& reference : references) {
    if (reference.digest.empty()) {
      ++tags;
      tag_names.insert(reference.name());
    } else {
      digest_names.insert(reference.name());
    }
  }
  if (tags > 1 || digest_names.size() > 1) return false;
  return tags == 0 || digest_names == tag_names;
}

bool is_id_prefix(const std::string& id, const std::string& name) {
  return !name.empty() && (id.starts_with(name) || std::string_view{id}.substr(id.find(':') + 1).starts_with(name));
}

}  // namespace

/// One `docker rmi`: plans all changes against the catalog, then makes them as one. Rules and texts are dockerd's.
class Remover {
 public:
  explicit Remover(Store& store) : store_(store) {
    if (store_.options_.find_uses) uses_ = store_.options_.find_uses();
  }

  std::vector<DeleteResponse> run_unchanged(const std::string& name, const std::string& id) {
    const ImagePtr image = store_.find_record(name);
    const bool changed = image == nullptr || image->id != id || (name == id && !store_.catalog_.tags_of(id).empty());
    if (changed) throw not_found(cat("No such image: ", name));
    return run(name, false, true);
  }

  std::vector<DeleteResponse> run(const std::string& name, bool force, bool prune) {
    const ImagePtr image = store_.get_record(name);
    references_ = store_.catalog_.tags_of(image->id);
    bool untagged = false;
    if (!is_id_prefix(image->id, name)) {
      check_single_use(*image, name, force);
      untag_name(*image, name);
      if (!references_.empty()) return finish();
      untagged = true;
    } else if (is_single(references_)) {
      if (const auto found = find_conflict(*image, {.references = false, .stopped_containers = !force}))
        throw found->error();
      while (!references_.empty()) untag(*image, references_.front());
    }
    remove_image(image, force, prune, untagged);
    return finish();
  }

  /// Of what the name stands for only these variants, of which none is the last one.
  std::vector<DeleteResponse> run(const Indexes::Index& index, const std::set<std::string>& ids, bool force) {
    std::string heir;
    for (const Indexes::Member& member : index.members) {
      const bool stays = !member.image_id.empty() && !ids.contains(member.image_id) &&
                         store_.catalog_.find_image(member.image_id) != nullptr;
      if (stays && heir.empty()) heir = member.image_id;
      if (ids.contains(member.image_id)) gone_.insert(member.manifest.digest);
    }
    for (const std::string& id : ids) {
      const ImagePtr image = store_.catalog_.find_image(id);
      hand_on_names(*image, index.descriptor.digest, heir);
      if (!force && is_in_another_index(id, index.descriptor.digest)) {
        throw Conflict{id, "image is referenced in multiple repositories", false, false}.error();
      }
      if (const auto found = find_conflict(*image, {.references = !force, .stopped_containers = !force})) {
        throw found->error();
      }
      while (!references_.empty()) untag(*image, references_.front());
      drop_image(*image);
    }
    std::vector<DeleteResponse> records = finish();
    store_.indexes_.forget(index.descriptor.digest);
    return records;
  }

 private:
  /// The names of an index that mean this variant mean another one from now on; what is left in references_ are others.
  void hand_on_names(const ImageRecord& image, const std::string& index, const std::string& heir) {
    references_.clear();
    for (const oci::Reference& reference : store_.catalog_.tags_of(image.id)) {
      if (store_.catalog_.find_index(reference.full()) != index) {
        references_.push_back(reference);
        continue;
      }
      change_.put_tags[reference.full()] = heir;
      change_.put_indexes[reference.full()] = index;
    }
  }

  bool is_in_another_index(const std::string& id, const std::string& index) const {
    std::set<std::string> others;
    for (const auto& [name, digest] : store_.catalog_.indexes()) {
      if (digest != index) others.insert(digest);
    }
    return std::ranges::any_of(others, [&](const std::string& digest) {
      const auto other = store_.indexes_.find(digest);
      return other != nullptr &&
             std::ranges::find(other->members, id, &Indexes::Member::image_id) != other->members.end();
    });
  }

  /// Without its only name the image would be left dangling under a container.
  void check_single_use(const ImageRecord& image, const std::string& name, bool force) {
    if (force || !is_single(references_)) return;
    for (const ContainerUse& use : uses_) {
      if (use.image_id != image.id) continue;
      throw conflict(cat("conflict: unable to remove repository reference ", quoted(name), " (must force) - container ",
                         oci::short_id(use.container_id), " is using its referenced image ", oci::short_id(image.id)));
    }
  }

  void untag_name(const ImageRecord& image, const std::string& name) {
    const oci::Reference wanted = oci::parse_reference(name).with_default_tag();
    const auto at = std::find(references_.begin(), references_.end(), wanted);
    const oci::Reference reference = at != references_.end() ? *at : wanted;
    untag(image, reference);
    if (!reference.digest.empty()) return;
    // The repository's digests go with its last tag.
    const auto same_repository = [&](const oci::Reference& other) { return other.name() == reference.name(); };
    if (std::any_of(references_.begin(), references_.end(),
                    [&](const auto& other) { return other.digest.empty() && same_repository(other); })) {
      return;
    }
    const std::vector<oci::Reference> rest = references_;
    for (const oci::Reference& other : rest) {
      if (same_repository(other)) untag(image, other);
    }
  }

  void untag(const ImageRecord& image, oci::Reference reference) {
    std::erase(references_, reference);
    change_.drop_tags.push_back(reference.full());
    records_.push_back({.untagged = reference.familiar()});
    events_.emplace_back("untag", image.id);
  }

  std::optional<Conflict> find_conflict(const ImageRecord& image, Checks checks) const {
    const std::vector<std::string> children = store_.catalog_.children_of(image.id);
    if (std::any_of(children.begin(), children.end(), [&](const auto& child) { return !is_dropped(child); })) {
      return Conflict{image.id, "image has dependent child images", true, false};
    }
    for (const ContainerUse& use : uses_) {
      if (use.image_id == image.id && use.running) {
        return Conflict{image.id, cat("image is being used by running container ", oci::short_id(use.container_id)),
                        true, true};
      }
    }
    if (checks.references && !references_.empty()) {
      return Conflict{image.id, "image is referenced in multiple repositories", false, false};
    }
    if (!checks.stopped_containers) return std::nullopt;
    for (const ContainerUse& use : uses_) {
      if (use.image_id == image.id && !use.running) {
        return Conflict{image.id, cat("image is being used by stopped container ", oci::short_id(use.container_id)),
                        false, true};
      }
    }
    return std::nullopt;
  }

  bool is_dropped(const std::string& id) const {
    return std::find(change_.drop_images.begin(), change_.drop_images.end(), id) != change_.drop_images.end();
  }

  /// `quiet`: something was done already, so that a conflict only ends the work.
  void remove_image(ImagePtr image, bool force, bool prune, bool quiet) {
    for (;;) {
      const bool soft = !force;
      if (const auto found = find_conflict(*image, {.references = soft, .stopped_containers = soft})) {
        const bool dangling = references_.empty() && store_.catalog_.children_of(image->id).empty();
        if (quiet && (!dangling || found->used)) return;
        throw found->error();
      }
      while (!references_.empty()) untag(*image, references_.front());
      drop_image(*image);
      if (!prune || image->parent_id.empty()) return;
      image = store_.catalog_.find_image(image->parent_id);
      if (image == nullptr) return;
      references_ = store_.catalog_.tags_of(image->id);
      force = false;
      quiet = true;
    }
  }

  void drop_image(const ImageRecord& image) {
    change_.drop_images.push_back(image.id);
    blobs_.push_back(image.id);
    blobs_.push_back(image.manifest_digest);
    events_.emplace_back("delete", image.id);
    records_.push_back({.deleted = image.id});
    drop_layers(image);
  }

  /// With the last name of an index go its variants for other platforms, unless they have a name or are in use.
  void drop_variants() {
    std::set<std::string> nameless, kept;
    for (const auto& [name, digest] : store_.catalog_.indexes()) {
      const bool dropped =
          std::find(change_.drop_tags.begin(), change_.drop_tags.end(), name) != change_.drop_tags.end();
      (dropped ? nameless : kept).insert(digest);
    }
    std::set<std::string> kept_images;
    for (const std::string& digest : kept) {
      const auto index = store_.indexes_.find(digest);
      if (index == nullptr) continue;
      for (const Indexes::Member& member : index->members) kept_images.insert(member.image_id);
    }
    references_.clear();
    for (const std::string& digest : nameless) {
      if (kept.contains(digest)) continue;
      blobs_.push_back(digest);
      const auto index = store_.indexes_.find(digest);
      if (index == nullptr) continue;
      for (const oci::Descriptor& inner : index->inner) blobs_.push_back(inner.digest);
      for (const Indexes::Member& member : index->members) {
        const ImagePtr image = member.image_id.empty() ? nullptr : store_.catalog_.find_image(member.image_id);
        if (!member.image_id.empty()) blobs_.push_back(member.manifest.digest);
        if (image == nullptr || is_dropped(image->id) || kept_images.contains(image->id)) continue;
        if (!store_.catalog_.tags_of(image->id).empty()) continue;
        if (find_conflict(*image, {.references = false, .stopped_containers = true})) continue;
        drop_image(*image);
      }
    }
  }

  bool is_stood_on(const std::string& chain) const {
    return std::any_of(uses_.begin(), uses_.end(), [&](const ContainerUse& use) {
      return std::find(use.chain_ids.begin(), use.chain_ids.end(), chain) != use.chain_ids.end();
    });
  }

  void drop_layers(const ImageRecord& image) {
    for (auto chain = image.chain_ids.rbegin(); chain != image.chain_ids.rend(); ++chain) {
      std::size_t dropped = 0;
      for (const std::string& id : change_.drop_images) {
        const ImagePtr other = store_.catalog_.find_image(id);
        dropped += static_cast<std::size_t>(std::count(other->chain_ids.begin(), other->chain_ids.end(), *chain));
      }
      if (store_.catalog_.image_count_on(*chain) > dropped) continue;
      if (is_stood_on(*chain)) continue;  // the container goes on, without a name for its image
      change_.drop_layers.push_back(*chain);
      records_.push_back({.deleted = *chain});
    }
  }

  std::vector<DeleteResponse> finish() {
    drop_variants();
    store_.catalog_.apply(change_);
    const std::set<std::string> kept = kept_manifests();
    for (const std::string& digest : blobs_) {
      if (!kept.contains(digest)) store_.content_.remove(digest);
    }
    store_.write_index();
    for (const auto& [action, id] : events_) store_.report(action, id, id);
    return std::move(records_);
  }

  /// Two images never share a config, but may have been given the same manifest.
  std::set<std::string> kept_manifests() const {
    std::set<std::string> kept = store_.indexes_.documents();
    for (const std::string& digest : gone_) kept.erase(digest);
    for (const ImagePtr& image : store_.catalog_.images()) kept.insert(image->manifest_digest);
    return kept;
  }

  Store& store_;
  std::vector<ContainerUse> uses_;
  std::vector<oci::Reference> references_;  ///< left to the image in hand
  Change change_;
  std::vector<std::string> blobs_;
  std::set<std::string> gone_;  ///< manifests of an index that stays, not to be kept for its sake
  std::vector<std::pair<std::string, std::string>> events_;
  std::vector<DeleteResponse> records_;
};

std::vector<DeleteResponse> Store::remove(const std::string& name, bool force, bool prune) {
  std::vector<DeleteResponse> records;
  {
    const std::lock_guard lock{changes_};
    records = Remover{*this}.run(name, force, prune);
  }
  return forget_removed(std::move(records));
}

std::vector<DeleteResponse> Store::remove_unchanged(const std::string& name, const std::string& id) {
  std::vector<DeleteResponse> records;
  {
    const std::lock_guard lock{changes_};
    records = Remover{*this}.run_unchanged(name, id);
  }
  return forget_removed(std::move(records));
}

std::vector<DeleteResponse> Store::remove_variants(const std::string& name, const Platforms& platforms, bool force,
                                                   bool prune) {
  std::set<std::string> ids;
  for (const std::string& platform : platforms) ids.insert(get_variant(name, platform)->id);
  std::vector<DeleteResponse> records;
  {
    const std::lock_guard lock{changes_};
    const auto index = index_of(name);
    const bool some_stay = index != nullptr && std::ranges::any_of(index->members, [&](const Indexes::Member& member) {
                             return !ids.contains(member.image_id) && catalog_.find_image(member.image_id) != nullptr;
                           });
    std::erase_if(ids, [&](const std::string& id) { return catalog_.find_image(id) == nullptr; });  // gone meanwhile
    records = some_stay ? Remover{*this}.run(*index, ids, force) : Remover{*this}.run(name, force, prune);
  }
  return forget_removed(std::move(records));
}

std::vector<DeleteResponse> Store::forget_removed(std::vector<DeleteResponse> records) {
  {
    const std::lock_guard lock{cache_mutex_};
    for (const DeleteResponse& record : records) cache_.erase(record.deleted);
  }
  collect_layers();
  return records;
}

}  // namespace berth::image
