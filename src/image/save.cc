#include <algorithm>
#include <set>

#include "archive/chunks.h"
#include "archive/digest.h"
#include "archive/tar_writer.h"
#include "base/core/error.h"
#include "base/core/text.h"
#include "image/documents.h"
#include "image/store.h"
#include "oci/digest.h"

namespace berth::image {

namespace {

/// manifest.json of a docker-archive, with what dockerd 25 and later add.
struct ManifestItem {
  std::string config;
  std::optional<std::vector<std::string>> repo_tags;
  std::vector<std::string> layers;
  std::map<std::string, oci::Descriptor> layer_sources;
  static void describe(auto& self, auto&& field) {
    field("Config", self.config);
    field("RepoTags", self.repo_tags);
    field("Layers", self.layers);
    field("LayerSources", self.layer_sources, json::omit_empty);
  }
};

std::string blob_path(std::string_view digest) { return cat("blobs/sha256/", oci::digest_hex(digest)); }

/// Passes a layer's bytes into the current entry.
class EntrySink : public ByteSink {
 public:
  explicit EntrySink(archive::TarWriter& tar) : tar_(tar) {}
  void write(std::string_view bytes) override { tar_.write(bytes); }

 private:
  archive::TarWriter& tar_;
};

class Saving {
 public:
  Saving(graph::Driver& driver, SavedContent content, ByteSink& target)
      : driver_(driver), content_(std::move(content)), tar_(target) {
    index_.media_type = oci::kMediaIndex;
    tar_.add_dir("blobs");
    tar_.add_dir("blobs/sha256");
  }

  void add(const SavedImage& image) {
    ManifestItem item;
    oci::Descriptor descriptor = add_image(*image.record, item);
    if (image.index != nullptr) descriptor = add_index(image);
    list_names(image, item, descriptor);
    items_.push_back(std::move(item));
  }

  void finish() {
    tar_.add_file("index.json", json::to_json(index_));
    tar_.add_file("manifest.json", json::to_json(items_));
    tar_.add_file("oci-layout", R"({"imageLayoutVersion": "1.0.0"})");
    if (!repositories_.empty()) tar_.add_file("repositories", json::to_json(repositories_));
    tar_.finish();
  }

 private:
  oci::Descriptor add_image(const ImageRecord& image, ManifestItem& item) {
    const std::string config_text = content_.documents.at(image.id);
    const oci::Image config = parse_config(config_text);
    oci::Manifest manifest;
    manifest.media_type = oci::kMediaManifest;
    manifest.config = {.media_type = std::string{oci::kMediaConfig},
                       .digest = image.id,
                       .size = static_cast<std::int64_t>(config_text.size())};
    for (std::size_t i = 0; i < image.chain_ids.size(); ++i) {
      const std::string& diff_id = config.rootfs.diff_ids.at(i);
      const oci::Descriptor layer = add_layer(image.chain_ids[i], diff_id);
      item.layers.push_back(blob_path(diff_id));
      item.layer_sources[diff_id] = layer;
      manifest.layers.push_back(layer);
    }
    add_blob(image.id, config_text);
    item.config = blob_path(image.id);
    return add_manifest(image, manifest);
  }

  /// The index as it came, when the manifests of all that is here could be kept; else one of our own.
  oci::Descriptor add_index(const SavedImage& image) {
    oci::Index made;
    made.media_type = oci::kMediaIndex;
    bool same = true;
    for (std::size_t i = 0; i < image.variants.size(); ++i) {
      if (image.variants[i] == nullptr) continue;
      const oci::Descriptor& original = image.index->members[i].manifest;
      ManifestItem unlisted;
      oci::Descriptor descriptor = add_image(*image.variants[i], unlisted);
      descriptor.platform = original.platform ? original.platform : platform_of(*image.variants[i]);
      same = same && descriptor.digest == original.digest;
      made.manifests.push_back(std::move(descriptor));
    }
    if (same) {
      for (const oci::Descriptor& inner : image.index->inner)
        add_blob(inner.digest, content_.documents.at(inner.digest));
      add_blob(image.index->descriptor.digest, content_.documents.at(image.index->descriptor.digest));
      return image.index->descriptor;
    }
    const std::string text = json::to_json(made), digest = archive::sha256(text);
    add_blob(digest, text);
    return {.media_type = made.media_type, .digest = digest, .size = static_cast<std::int64_t>(text.size())};
  }

  oci::Descriptor add_layer(const std::string& chain_id, const std::string& diff_id) {
    const std::uint64_t size = content_.tar_sizes.at(chain_id);
    if (written_.insert(diff_id).second) {
      tar_.begin({.path = blob_path(diff_id), .size = size, .mode = 0644});
      EntrySink entry{tar_};
      write_layer(driver_.layer_folder(chain_id), diff_id, entry);
    }
    return {.media_type = std::string{oci::kMediaLayer}, .digest = diff_id, .size = static_cast<std::int64_t>(size)};
  }

  void add_blob(const std::string& digest, const std::string& text) {
    if (written_.insert(digest).second) tar_.add_file(blob_path(digest), text);
  }

  /// The manifest that the image came with, where its layers were plain tars as they are here; else one of our own.
  oci::Descriptor add_manifest(const ImageRecord& record, const oci::Manifest& made) {
    std::string text = json::to_json(made), digest;
    std::string media_type{oci::kMediaManifest};
    const std::string original = content_.documents.at(record.manifest_digest);
    const auto parsed = json::from_json<oci::Manifest>(original);
    const bool same_layers =
        std::equal(parsed.layers.begin(), parsed.layers.end(), made.layers.begin(), made.layers.end(),
                   [](const auto& a, const auto& b) { return a.digest == b.digest; });
    if (same_layers) {
      text = original;
      if (!parsed.media_type.empty()) media_type = parsed.media_type;
    }
    digest = archive::sha256(text);
    add_blob(digest, text);
    return {.media_type = media_type, .digest = digest, .size = static_cast<std::int64_t>(text.size())};
  }

  void list_names(const SavedImage& image, ManifestItem& item, oci::Descriptor descriptor) {
    if (image.tags.empty()) index_.manifests.push_back(descriptor);
    for (const oci::Reference& tag : image.tags) {
      if (!item.repo_tags) item.repo_tags.emplace();
      item.repo_tags->push_back(tag.familiar());
      descriptor.annotations = {{"io.containerd.image.name", tag.full()},
                                {"org.opencontainers.image.ref.name", tag.tag}};
      index_.manifests.push_back(descriptor);
      const std::string top = item.layers.empty() ? "" : item.layers.back().substr(blob_path_prefix());
      repositories_[tag.familiar_name()][tag.tag] = top;
    }
  }

  static constexpr std::size_t blob_path_prefix() { return std::string_view{"blobs/sha256/"}.size(); }

  graph::Driver& driver_;
  const SavedContent content_;
  archive::TarWriter tar_;
  std::set<std::string> written_;
  oci::Index index_;
  std::vector<ManifestItem> items_;
  std::map<std::string, std::map<std::string, std::string>> repositories_;
};

void add_chosen(std::vector<SavedImage>& images, SavedImage chosen, const std::optional<oci::Reference>& tag) {
  const auto is_same = [&](const SavedImage& image) {
    return image.record->id == chosen.record->id && image.variants == chosen.variants;
  };
  auto at = std::find_if(images.begin(), images.end(), is_same);
  if (at == images.end()) at = images.insert(images.end(), std::move(chosen));
  if (!tag || tag->tag.empty()) return;
  oci::Reference plain = *tag;
  plain.digest.clear();
  if (std::find(at->tags.begin(), at->tags.end(), plain) == at->tags.end()) at->tags.push_back(plain);
}

std::vector<ImagePtr> all_of(const SavedImage& image) {
  std::vector<ImagePtr> all{image.record};
  for (const ImagePtr& variant : image.variants) {
    if (variant != nullptr) all.push_back(variant);
  }
  return all;
}

}  // namespace

SavedImage Store::saved_as(const std::string& name, const Platforms& platforms) const {
  SavedImage saved{.record = get_variant(name, platforms.empty() ? "" : platforms.front()), .index = index_of(name)};
  std::set<std::string> wanted;
  for (const std::string& platform : platforms) wanted.insert(get_variant(name, platform)->id);
  if (saved.index == nullptr) return saved;
  std::size_t count = 0;
  for (const Indexes::Member& member : saved.index->members) {
    ImagePtr image = member.image_id.empty() ? nullptr : catalog_.find_image(member.image_id);
    if (image != nullptr && !wanted.empty() && !wanted.contains(image->id)) image = nullptr;
    if (image != nullptr) ++count;
    saved.variants.push_back(std::move(image));
  }
  if (count > 1) return saved;
  saved.index = nullptr;
  saved.variants.clear();
  return saved;
}

/// Pins the layers of all of them.
std::vector<SavedImage> Store::choose_saved(const std::vector<std::string>& names, const Platforms& platforms,
                                            Pins::Set& pins) {
  std::vector<SavedImage> images;
  for (const std::string& name : names) {
    // A bare repository name means all of its tags.
    const auto reference = oci::try_parse_reference(name);
    bool found = false;
    if (reference && reference->tag.empty() && reference->digest.empty()) {
      for (const auto& [full, id] : catalog_.tags()) {
        const oci::Reference tag = oci::parse_reference(full);
        if (tag.name() != reference->name() || tag.tag.empty()) continue;
        add_chosen(images, saved_as(full, platforms), tag);
        found = true;
      }
    }
    if (found) continue;
    const ImagePtr record = get_record(name);
    const bool by_tag = reference && catalog_.find_tag(reference->with_default_tag().full()) == record->id;
    add_chosen(images, saved_as(name, platforms), by_tag ? std::optional{reference->with_default_tag()} : std::nullopt);
  }
  for (const SavedImage& image : images) {
    for (const ImagePtr& one : all_of(image)) {
      for (const std::string& chain : one->chain_ids) {
        if (pins.add_existing(chain)) continue;
        throw not_found(cat("layer ", chain, " of this image is missing; load or pull the image again"));
      }
    }
  }
  return images;
}

SavedContent Store::content_of(const std::vector<SavedImage>& images) const {
  SavedContent content;
  const auto keep = [&](const std::string& digest) {
    if (!content.documents.contains(digest)) content.documents[digest] = content_.get(digest);
  };
  for (const SavedImage& image : images) {
    for (const ImagePtr& one : all_of(image)) {
      keep(one->id);
      keep(one->manifest_digest);
      for (const std::string& chain : one->chain_ids) {
        const auto layer = catalog_.find_layer(chain);
        if (!layer) throw not_found(cat("layer ", chain, " of this image is missing; load or pull the image again"));
        content.tar_sizes[chain] = layer->tar_size;
      }
    }
    if (image.index == nullptr) continue;
    keep(image.index->descriptor.digest);
    for (const oci::Descriptor& inner : image.index->inner) keep(inner.digest);
  }
  return content;
}

void Store::check_saveable(const std::vector<std::string>& names, const Platforms& platforms) {
  Reading reading{*this};
  content_of(choose_saved(names, platforms, reading.pins()));
}

void Store::save(const std::vector<std::string>& names, const Platforms& platforms, ByteSink& sink) {
  Reading reading{*this};
  const std::vector<SavedImage> images = choose_saved(names, platforms, reading.pins());
  archive::BufferedSink buffered{sink};  // headers and small files in one piece
  Saving saving{driver_, content_of(images), buffered};
  for (const SavedImage& image : images) saving.add(image);
  saving.finish();
  buffered.flush();
}

}  // namespace berth::image
