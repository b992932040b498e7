#include <algorithm>

#include "archive/digest.h"
#include "base/core/error.h"
#include "base/core/text.h"
#include "image/archive_reader.h"
#include "image/documents.h"
#include "image/kept_blob.h"
#include "image/progress.h"
#include "image/store.h"
#include "oci/digest.h"

namespace berth::image {

void Store::load(ByteSource& archive, ByteSink& sink, bool quiet, const Platforms& platforms) {
  Progress progress{sink, quiet};
  try {
    Reading reading{*this};
    Pins::Set& pins = reading.pins();
    const auto pin = [&](const LayerRecord& layer) { return pins.add_existing(layer.chain_id); };
    ArchiveContent content = read_archive(archive, driver_, catalog_, pin, options_.keep_blobs, progress);
    std::vector<IncomingImage> images = find_images(content, platforms);
    commit(images, pins, &progress);
  } catch (const Error& error) {
    collect_layers();                                 // those that got their names before the failure
    if (error.kind() == ErrorKind::cancelled) throw;  // the client went away: nobody reads the message
    progress.error(error.text());
  }
}

void Store::commit(std::vector<IncomingImage>& images, Pins::Set& pins, Progress* progress) {
  std::vector<LayerRecord> layers;
  for (IncomingImage& image : images) {
    std::vector<LayerRecord> own = commit_layers(image, pins, progress);
    layers.insert(layers.end(), own.begin(), own.end());
  }
  driver_.sync();  // before anything durable refers to them
  commit_records(images, layers, progress);
}

void Store::name_layer(graph::LayerWriter& made, const std::string& chain, const std::string& parent) {
  if (!driver_.has_layer(chain)) {
    made.commit(chain, parent);
    return;
  }
  const std::lock_guard lock{changes_};
  const std::string folder = driver_.layer_folder(chain);
  move_kept_blob(made.folder(), folder);
  record_blob_size(chain, kept_blob_size(folder));
}

void Store::record_blob_size(const std::string& chain, std::uint64_t size) {
  std::optional<LayerRecord> record = catalog_.find_layer(chain);
  if (!record || record->blob_size == size) return;
  record->blob_size = size;
  catalog_.apply({.put_layers = {*record}});
}

void Store::forget_blob(const std::string& chain) {
  const std::lock_guard lock{changes_};
  if (driver_.has_layer(chain)) drop_kept_blob(driver_.layer_folder(chain));
  record_blob_size(chain, 0);
}

std::vector<LayerRecord> Store::commit_layers(IncomingImage& image, Pins::Set& pins, Progress* progress) {
  const std::vector<std::string> chain_ids = chain_ids_of(image.config.rootfs.diff_ids);
  std::vector<LayerRecord> records;
  for (std::size_t i = 0; i < chain_ids.size(); ++i) {
    ArchivedLayer& layer = *image.layers[i];
    LayerRecord record{
        .chain_id = chain_ids[i], .diff_id = layer.diff_id, .size = layer.size, .tar_size = layer.tar_size};
    pins.add(record.chain_id);
    const bool is_new = !driver_.has_layer(record.chain_id);
    std::unique_ptr<graph::LayerWriter> writer;
    if (layer.made) writer = std::move(layer.made->staged);
    if (is_new && writer == nullptr) writer = driver_.clone_layer(layer.source_chain);
    if (writer != nullptr) name_layer(*writer, record.chain_id, i == 0 ? "" : chain_ids[i - 1]);
    if (is_new && progress != nullptr) {
      progress->advance("Loading layer", oci::short_id(layer.diff_id), layer.archived_size, layer.archived_size);
    }
    if (layer.source_chain.empty()) layer.source_chain = record.chain_id;
    records.push_back(std::move(record));
  }
  return records;
}

std::string Store::manifest_for(const IncomingImage& image) const {
  oci::Manifest manifest;
  manifest.media_type = oci::kMediaManifest;
  manifest.config = {.media_type = std::string{oci::kMediaConfig},
                     .digest = image.id,
                     .size = static_cast<std::int64_t>(image.config_text.size())};
  const std::vector<std::string> chain_ids = chain_ids_of(image.config.rootfs.diff_ids);
  for (std::size_t i = 0; i < chain_ids.size(); ++i) {
    const ArchivedLayer& layer = *image.layers[i];
    manifest.layers.push_back({.media_type = std::string{oci::kMediaLayer},
                               .digest = layer.diff_id,
                               .size = static_cast<std::int64_t>(layer.tar_size)});
  }
  return json::to_json(manifest);
}

namespace {

ImageRecord make_record(const IncomingImage& image) {
  ImageRecord record;
  record.id = image.id;
  record.chain_ids = chain_ids_of(image.config.rootfs.diff_ids);
  record.os = image.config.os.empty() ? "linux" : image.config.os;
  record.architecture = image.config.architecture;
  record.variant = image.config.variant;
  record.created = parse_time(image.config.created).value_or(kNever);
  record.loaded = now();
  record.labels = image.config.config.labels;
  return record;
}

}  // namespace

void Store::commit_records(std::vector<IncomingImage>& images, const std::vector<LayerRecord>& layers,
                           Progress* progress) {
  const std::lock_guard lock{changes_};
  Change change;
  change.put_layers = layers;
  for (LayerRecord& layer : change.put_layers) {
    if (driver_.has_layer(layer.chain_id)) layer.blob_size = settle_kept_blob(driver_.layer_folder(layer.chain_id));
  }
  std::vector<std::string> messages;
  std::size_t references = 0;
  std::string untagged_ids;
  std::vector<std::string> replaced;
  for (const IncomingImage& image : images) {
    const ImagePtr old = catalog_.find_image(image.id);
    ImageRecord record = old != nullptr ? *old : make_record(image);
    content_.put(image.config_text);
    record.manifest_digest = content_.put(image.manifest_text.empty() ? manifest_for(image) : image.manifest_text);
    if (old != nullptr && old->manifest_digest != record.manifest_digest) replaced.push_back(old->manifest_digest);
    std::string index;
    for (const std::string& text : image.index_texts) {
      const std::string digest = content_.put(text);
      if (index.empty()) index = digest;
    }
    const bool parent_known = !image.parent_id.empty() &&
                              (catalog_.find_image(image.parent_id) != nullptr ||
                               std::any_of(images.begin(), images.end(),
                                           [&](const IncomingImage& other) { return other.id == image.parent_id; }));
    if (parent_known) record.parent_id = image.parent_id;
    for (const oci::Reference& tag : image.tags) {
      const auto previous = catalog_.find_tag(tag.full());
      if (previous && *previous != image.id) {
        messages.push_back(cat("The image ", tag.familiar(), " already exists, renaming the old one with ID ",
                               *previous, " to empty string\n"));
      }
      change.put_tags[tag.full()] = image.id;
      if (!index.empty()) change.put_indexes[tag.full()] = index;
      record.last_tagged = now();
      messages.push_back(cat("Loaded image: ", tag.familiar(), "\n"));
      ++references;
    }
    untagged_ids += cat("Loaded image ID: ", image.id, "\n");
    change.put_images.push_back(std::move(record));
  }
  const std::set<std::string> lost = indexes_of(change.put_tags);
  catalog_.apply(change);
  for (const auto& [name, index] : change.put_indexes) indexes_.forget(index);
  if (!replaced.empty()) {
    const std::set<std::string> kept = indexes_.documents();
    for (const std::string& digest : replaced) {
      if (!kept.contains(digest)) content_.remove(digest);
    }
  }
  drop_nameless_indexes(lost);
  write_index();
  if (progress == nullptr) return;
  for (const std::string& message : messages) progress->stream(message);
  if (references == 0) progress->stream(untagged_ids);
  for (const IncomingImage& image : images) report("load", image.id, image.id);
}

}  // namespace berth::image
