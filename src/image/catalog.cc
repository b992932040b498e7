#include "image/catalog.h"

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/json/json.h"

namespace berth::image {

namespace {

constexpr std::string_view kSchema = R"(
CREATE TABLE IF NOT EXISTS images(
  id TEXT PRIMARY KEY, parent TEXT NOT NULL, manifest TEXT NOT NULL, chains TEXT NOT NULL, os TEXT NOT NULL,
  architecture TEXT NOT NULL, variant TEXT NOT NULL, created INTEGER NOT NULL, loaded INTEGER NOT NULL,
  last_tagged INTEGER NOT NULL, labels TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS image_tags(name TEXT PRIMARY KEY, image TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS image_indexes(name TEXT PRIMARY KEY, digest TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS image_layers(
  chain TEXT PRIMARY KEY, diff TEXT NOT NULL, size INTEGER NOT NULL, tar_size INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS image_layer_blobs(chain TEXT PRIMARY KEY, size INTEGER NOT NULL) WITHOUT ROWID;
)";

std::int64_t to_number(Time time) { return time.time_since_epoch().count(); }
Time to_time(std::int64_t number) { return Time{std::chrono::nanoseconds{number}}; }

}  // namespace

Catalog::Catalog(db::Database& database) : database_(database) {
  database_.write_blocking([](db::Connection& connection) {
    connection.execute(kSchema);
    // An older daemon knows nothing of them.
    connection.execute("DELETE FROM image_layer_blobs WHERE chain NOT IN (SELECT chain FROM image_layers)");
  });
  database_.read([this](db::Connection& connection) { load(connection); });
}

void Catalog::load(db::Connection& connection) {
  Change everything;
  db::Statement images = connection.prepare(
      "SELECT id, parent, manifest, chains, os, architecture, variant, created, loaded, last_tagged, labels FROM "
      "images");
  while (images.step()) {
    ImageRecord image;
    image.id = images.text(0);
    image.parent_id = images.text(1);
    image.manifest_digest = images.text(2);
    if (!images.text(3).empty()) image.chain_ids = split(images.text(3), '\n');
    image.os = images.text(4);
    image.architecture = images.text(5);
    image.variant = images.text(6);
    image.created = to_time(images.number(7));
    image.loaded = to_time(images.number(8));
    image.last_tagged = to_time(images.number(9));
    image.labels = json::from_json<std::map<std::string, std::string>>(images.text(10));
    everything.put_images.push_back(std::move(image));
  }
  db::Statement layers = connection.prepare(
      "SELECT chain, diff, image_layers.size, tar_size, ifnull(image_layer_blobs.size, 0) FROM image_layers"
      " LEFT JOIN image_layer_blobs USING (chain)");
  while (layers.step()) {
    everything.put_layers.push_back({.chain_id = layers.text(0),
                                     .diff_id = layers.text(1),
                                     .size = static_cast<std::uint64_t>(layers.number(2)),
                                     .tar_size = static_cast<std::uint64_t>(layers.number(3)),
                                     .blob_size = static_cast<std::uint64_t>(layers.number(4))});
  }
  db::Statement tags = connection.prepare("SELECT name, image FROM image_tags");
  while (tags.step()) {
    // Everything reads names on and on: one that is none must not stand in the way of all the others.
    if (oci::try_parse_reference(tags.text(0))) everything.put_tags.emplace(tags.text(0), tags.text(1));
  }
  db::Statement indexes = connection.prepare("SELECT name, digest FROM image_indexes");
  while (indexes.step()) {
    if (everything.put_tags.contains(indexes.text(0))) everything.put_indexes.emplace(indexes.text(0), indexes.text(1));
  }
  remember(everything);
}

void Catalog::apply(const Change& change) {
  database_.write_blocking([&](db::Connection& connection) { write(connection, change); });
  remember(change);
}

void Catalog::write(db::Connection& connection, const Change& change) {
  const auto drop = [&](std::string_view sql, const std::vector<std::string>& keys) {
    for (const std::string& key : keys) connection.prepare(sql).bind(1, key).run();
  };
  drop("DELETE FROM image_tags WHERE name = ?", change.drop_tags);
  drop("DELETE FROM image_indexes WHERE name = ?", change.drop_tags);
  drop("DELETE FROM images WHERE id = ?", change.drop_images);
  drop("DELETE FROM image_layers WHERE chain = ?", change.drop_layers);
  drop("DELETE FROM image_layer_blobs WHERE chain = ?", change.drop_layers);
  for (const LayerRecord& layer : change.put_layers) {
    connection.prepare("INSERT OR REPLACE INTO image_layers(chain, diff, size, tar_size) VALUES(?, ?, ?, ?)")
        .bind(1, layer.chain_id)
        .bind(2, layer.diff_id)
        .bind(3, static_cast<std::int64_t>(layer.size))
        .bind(4, static_cast<std::int64_t>(layer.tar_size))
        .run();
    if (layer.blob_size == 0) {
      drop("DELETE FROM image_layer_blobs WHERE chain = ?", {layer.chain_id});
      continue;
    }
    connection.prepare("INSERT OR REPLACE INTO image_layer_blobs(chain, size) VALUES(?, ?)")
        .bind(1, layer.chain_id)
        .bind(2, static_cast<std::int64_t>(layer.blob_size))
        .run();
  }
  for (const ImageRecord& image : change.put_images) {
    connection
        .prepare(
            "INSERT OR REPLACE INTO images(id, parent, manifest, chains, os, architecture, variant, created,"
            " loaded, last_tagged, labels) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        .bind(1, image.id)
        .bind(2, image.parent_id)
        .bind(3, image.manifest_digest)
        .bind(4, join(image.chain_ids, "\n"))
        .bind(5, image.os)
        .bind(6, image.architecture)
        .bind(7, image.variant)
        .bind(8, to_number(image.created))
        .bind(9, to_number(image.loaded))
        .bind(10, to_number(image.last_tagged))
        .bind(11, json::to_json(image.labels))
        .run();
  }
  for (const auto& [name, id] : change.put_tags) {
    connection.prepare("INSERT OR REPLACE INTO image_tags(name, image) VALUES(?, ?)").bind(1, name).bind(2, id).run();
    if (!change.put_indexes.contains(name)) drop("DELETE FROM image_indexes WHERE name = ?", {name});
  }
  for (const auto& [name, digest] : change.put_indexes) {
    connection.prepare("INSERT OR REPLACE INTO image_indexes(name, digest) VALUES(?, ?)")
        .bind(1, name)
        .bind(2, digest)
        .run();
  }
}

void Catalog::count_layers(const ImageRecord& image, int step) {
  for (const std::string& chain : image.chain_ids) {
    std::size_t& count = images_on_[chain];
    count += static_cast<std::size_t>(step);
    if (count == 0) images_on_.erase(chain);
  }
}

void Catalog::remember(const Change& change) {
  const std::unique_lock lock{mutex_};
  const auto drop_tag = [&](const std::string& name) {
    indexes_.erase(name);
    const auto at = tags_.find(name);
    if (at == tags_.end()) return;
    const auto names = tags_of_.find(at->second);
    names->second.erase(name);
    if (names->second.empty()) tags_of_.erase(names);
    tags_.erase(at);
  };
  const auto drop_image = [&](const std::string& id) {
    const auto at = images_.find(id);
    if (at == images_.end()) return;
    count_layers(*at->second, -1);
    images_.erase(at);
  };
  for (const std::string& name : change.drop_tags) drop_tag(name);
  for (const std::string& id : change.drop_images) drop_image(id);
  for (const std::string& chain : change.drop_layers) {
    const auto at = layers_.find(chain);
    if (at == layers_.end()) continue;
    std::erase_if(by_diff_, [&](const auto& entry) { return entry.second == chain; });
    layers_.erase(at);
  }
  for (const LayerRecord& layer : change.put_layers) {
    if (layers_.insert_or_assign(layer.chain_id, layer).second) by_diff_.emplace(layer.diff_id, layer.chain_id);
  }
  for (const ImageRecord& image : change.put_images) {
    drop_image(image.id);
    count_layers(image, 1);
    images_[image.id] = std::make_shared<const ImageRecord>(image);
  }
  for (const auto& [name, id] : change.put_tags) {
    drop_tag(name);
    tags_[name] = id;
    tags_of_[id].insert(name);
  }
  for (const auto& [name, digest] : change.put_indexes) indexes_[name] = digest;
}

ImagePtr Catalog::find_image(const std::string& id) const {
  const std::shared_lock lock{mutex_};
  const auto at = images_.find(id);
  return at == images_.end() ? nullptr : at->second;
}

std::vector<ImagePtr> Catalog::images() const {
  const std::shared_lock lock{mutex_};
  std::vector<ImagePtr> all;
  for (const auto& [id, image] : images_) all.push_back(image);
  return all;
}

std::optional<std::string> Catalog::find_tag(const std::string& full_reference) const {
  const std::shared_lock lock{mutex_};
  const auto at = tags_.find(full_reference);
  if (at == tags_.end()) return std::nullopt;
  return at->second;
}

std::vector<oci::Reference> Catalog::tags_of(const std::string& id) const {
  const std::shared_lock lock{mutex_};
  std::vector<oci::Reference> references;
  const auto names = tags_of_.find(id);
  if (names == tags_of_.end()) return references;
  for (const std::string& name : names->second) references.push_back(oci::parse_reference(name));
  return references;
}

std::map<std::string, std::string> Catalog::tags() const {
  const std::shared_lock lock{mutex_};
  return tags_;
}

std::optional<std::string> Catalog::find_index(const std::string& full_reference) const {
  const std::shared_lock lock{mutex_};
  const auto at = indexes_.find(full_reference);
  if (at == indexes_.end()) return std::nullopt;
  return at->second;
}

std::map<std::string, std::string> Catalog::indexes() const {
  const std::shared_lock lock{mutex_};
  return indexes_;
}

std::vector<std::string> Catalog::find_prefix(std::string_view prefix) const {
  if (!prefix.starts_with("sha256:") && !is_hex(prefix)) return {};
  const std::string start = prefix.starts_with("sha256:") ? std::string{prefix} : cat("sha256:", prefix);
  const std::shared_lock lock{mutex_};
  std::vector<std::string> ids;
  for (auto at = images_.lower_bound(start); at != images_.end() && at->first.starts_with(start) && ids.size() < 2;
       ++at) {
    ids.push_back(at->first);
  }
  return ids;
}

std::optional<LayerRecord> Catalog::find_layer(const std::string& chain_id) const {
  const std::shared_lock lock{mutex_};
  const auto at = layers_.find(chain_id);
  if (at == layers_.end()) return std::nullopt;
  return at->second;
}

std::optional<LayerRecord> Catalog::find_layer_by_diff(const std::string& diff_id) const {
  const std::shared_lock lock{mutex_};
  const auto at = by_diff_.find(diff_id);
  if (at == by_diff_.end()) return std::nullopt;
  return layers_.at(at->second);
}

std::vector<LayerRecord> Catalog::layers() const {
  const std::shared_lock lock{mutex_};
  std::vector<LayerRecord> all;
  for (const auto& [chain, layer] : layers_) all.push_back(layer);
  return all;
}

std::vector<std::string> Catalog::layers_without_image() const {
  const std::shared_lock lock{mutex_};
  std::vector<std::string> chains;
  for (const auto& [chain, layer] : layers_) {
    if (!images_on_.contains(chain)) chains.push_back(chain);
  }
  return chains;
}

std::size_t Catalog::image_count_on(const std::string& chain_id) const {
  const std::shared_lock lock{mutex_};
  const auto at = images_on_.find(chain_id);
  return at == images_on_.end() ? 0 : at->second;
}

std::vector<std::string> Catalog::children_of(const std::string& id) const {
  const std::shared_lock lock{mutex_};
  std::vector<std::string> children;
  for (const auto& [child, image] : images_) {
    if (image->parent_id == id) children.push_back(child);
  }
  return children;
}

}  // namespace berth::image
