#include "image/store.h"

#include <algorithm>
#include <set>

#include "base/core/error.h"
#include "base/core/text.h"
#include "oci/digest.h"

namespace berth::image {

namespace {

constexpr std::size_t kCacheEntries = 64;

Error no_such_image(const std::string& name) {
  const auto reference = oci::try_parse_reference(name);
  return not_found(cat("No such image: ", reference ? reference->with_default_tag().familiar() : name));
}

}  // namespace

// ---- Pins ----

Pins::Set::~Set() {
  const std::lock_guard lock{owner_.mutex_};
  for (const std::string& chain : chain_ids_) {
    const auto at = owner_.counts_.find(chain);
    if (--at->second == 0) owner_.counts_.erase(at);
  }
}

void Pins::Set::add(const std::string& chain_id) {
  const std::lock_guard lock{owner_.mutex_};
  chain_ids_.push_back(chain_id);
  ++owner_.counts_[chain_id];
}

bool Pins::Set::add_existing(const std::string& chain_id) {
  const std::lock_guard lock{owner_.mutex_};
  if (!owner_.driver_.has_layer(chain_id)) return false;
  chain_ids_.push_back(chain_id);
  ++owner_.counts_[chain_id];
  return true;
}

bool Pins::is_pinned(const std::string& chain_id) {
  const std::lock_guard lock{mutex_};
  return counts_.contains(chain_id);
}

void Pins::collect(const std::vector<std::string>& candidates, const std::function<bool(const std::string&)>& wanted) {
  {
    const std::lock_guard lock{mutex_};
    for (const std::string& chain : candidates) {
      if (!counts_.contains(chain) && !wanted(chain)) driver_.remove_layer(chain);
    }
  }
  driver_.empty_trash();
}

Store::Reading::~Reading() {
  const std::vector<std::string> chains = pins_->chain_ids();
  pins_.reset();
  store_.collect_unwanted(chains);
}

void Store::collect_unwanted(const std::vector<std::string>& chains) noexcept {
  const auto is_unwanted = [this](const std::string& chain) { return catalog_.image_count_on(chain) == 0; };
  if (std::ranges::none_of(chains, is_unwanted)) return;
  try {
    collect_layers();
  } catch (const std::exception&) {  // the next one to collect takes them
  }
}

// ---- Store: opening ----

std::unique_ptr<ImageStore> open_store(StoreOptions options) { return std::make_unique<Store>(std::move(options)); }

Store::Store(StoreOptions options)
    : options_(std::move(options)),
      driver_(*options_.driver),
      content_(cat(options_.root, "/content")),
      catalog_(*options_.database),
      indexes_(content_, catalog_),
      pins_(driver_),
      blob_sources_(*options_.database),
      last_uses_(*options_.database) {
  collect_content();
  if (!content_.has_index()) write_index();
}

void Store::collect() {
  collect_layers();
  if (options_.keep_blobs) return;
  for (const LayerRecord& layer : catalog_.layers()) {
    if (layer.blob_size != 0) forget_blob(layer.chain_id);
  }
}

std::uint64_t Store::drop_blobs(const std::string& id) {
  const ImagePtr image = catalog_.find_image(id);
  if (image == nullptr) return 0;
  std::uint64_t bytes = 0;
  for (const std::string& chain : image->chain_ids) {
    const auto layer = catalog_.find_layer(chain);
    if (!layer || layer->blob_size == 0) continue;
    forget_blob(chain);
    bytes += layer->blob_size;
  }
  return bytes;
}

void Store::collect_layers() {
  std::set<std::string> held;
  if (options_.find_uses) {
    for (const ContainerUse& use : options_.find_uses()) held.insert(use.chain_ids.begin(), use.chain_ids.end());
  }
  pins_.collect(driver_.list_layers(),
                [&](const std::string& chain) { return held.contains(chain) || catalog_.image_count_on(chain) != 0; });
  // Rows of layers that stayed behind their images for a container's sake.
  const std::lock_guard lock{changes_};
  Change change;
  for (const std::string& chain : catalog_.layers_without_image()) {
    if (!driver_.has_layer(chain)) change.drop_layers.push_back(chain);
  }
  if (!change.drop_layers.empty()) catalog_.apply(change);
}

std::set<std::string> Store::wanted_content() const {
  std::set<std::string> wanted = indexes_.documents();
  for (const ImagePtr& image : catalog_.images()) {
    wanted.insert(image->id);
    wanted.insert(image->manifest_digest);
  }
  return wanted;
}

void Store::collect_content() {
  const std::set<std::string> wanted = wanted_content();
  for (const std::string& digest : content_.list()) {
    if (!wanted.contains(digest)) content_.remove(digest);
  }
}

std::set<std::string> Store::indexes_of(const std::map<std::string, std::string>& tags) const {
  std::set<std::string> digests;
  for (const auto& [name, id] : tags) {
    if (const auto digest = catalog_.find_index(name)) digests.insert(*digest);
  }
  return digests;
}

void Store::drop_nameless_indexes(const std::set<std::string>& digests) {
  std::set<std::string> candidates;
  for (const std::string& digest : digests) {
    candidates.insert(digest);
    const auto index = indexes_.find(digest);
    if (index == nullptr) continue;
    for (const Indexes::Member& member : index->members) candidates.insert(member.manifest.digest);
    for (const oci::Descriptor& inner : index->inner) candidates.insert(inner.digest);
  }
  if (candidates.empty()) return;
  const std::set<std::string> wanted = wanted_content();
  for (const std::string& digest : candidates) {
    if (!wanted.contains(digest)) content_.remove(digest);
  }
}

std::uint64_t Store::drop_unfinished(std::chrono::steady_clock::time_point time) {
  const std::optional<std::uint64_t> bytes = pulled_.drop_retained(time);
  if (bytes) collect_layers();
  return bytes.value_or(0);
}

/// nullptr when the manifest is damaged, which is said when the image is used.
const oci::Descriptor* Store::describe_manifest(const std::string& digest) {
  const auto known = descriptors_.find(digest);
  if (known != descriptors_.end()) return &known->second;
  try {
    const std::string text = content_.get(digest);
    const auto manifest = json::from_json<oci::Manifest>(text);
    oci::Descriptor descriptor{
        .media_type = manifest.media_type, .digest = digest, .size = static_cast<std::int64_t>(text.size())};
    if (descriptor.media_type.empty()) descriptor.media_type = oci::kMediaManifest;
    return &descriptors_.emplace(digest, std::move(descriptor)).first->second;
  } catch (const Error&) {
    return nullptr;
  }
}

void Store::write_index() {
  oci::Index index;
  index.media_type = oci::kMediaIndex;
  for (const ImagePtr& image : catalog_.images()) {
    const oci::Descriptor* manifest = describe_manifest(image->manifest_digest);
    if (manifest == nullptr) continue;
    const std::vector<oci::Reference> tags = catalog_.tags_of(image->id);
    if (tags.empty()) index.manifests.push_back(*manifest);
    for (const oci::Reference& tag : tags) {
      oci::Descriptor descriptor = *manifest;
      descriptor.annotations["org.opencontainers.image.ref.name"] = tag.full();
      index.manifests.push_back(std::move(descriptor));
    }
  }
  try {
    content_.write_index(json::to_json(index));
  } catch (const Error&) {
    // It only repeats what the database says, for other programs: a full disk here must not fail what was done.
  }
}

void Store::report(const std::string& action, const std::string& id, const std::string& name) const {
  if (options_.on_event) options_.on_event(action, id, name);
}

// ---- Store: finding ----

/// In Docker's order: a full ID, a reference, the beginning of an ID.
ImagePtr Store::find_record(const std::string& name) const {
  if (oci::is_digest(name)) return catalog_.find_image(name);
  if (const std::string id = cat("sha256:", name); oci::is_digest(id)) return catalog_.find_image(id);
  const oci::Reference reference = oci::parse_reference(name).with_default_tag();
  if (const auto id = catalog_.find_tag(reference.full())) return catalog_.find_image(*id);
  if (!reference.digest.empty()) {
    oci::Reference by_digest = reference;
    by_digest.tag.clear();
    if (const auto id = catalog_.find_tag(by_digest.full())) return catalog_.find_image(*id);
    return nullptr;
  }
  const std::vector<std::string> ids = catalog_.find_prefix(name);
  return ids.size() == 1 ? catalog_.find_image(ids.front()) : nullptr;  // dockerd takes an ambiguous one for none
}

ImagePtr Store::get_record(const std::string& name) const {
  ImagePtr image = find_record(name);
  if (image == nullptr) throw no_such_image(name);
  return image;
}

oci::Image Store::read_config(const std::string& id) const { return json::from_json<oci::Image>(content_.get(id)); }

std::optional<ResolvedImage> Store::find(const std::string& name) {
  const ImagePtr image = find_record(name);
  if (image == nullptr) return std::nullopt;
  {
    const std::lock_guard lock{cache_mutex_};
    const auto at = cache_.find(image->id);
    if (at != cache_.end()) return *at->second;
  }
  return resolve(*image);
}

ResolvedImage Store::resolve(const ImageRecord& image) {
  oci::Image config = read_config(image.id);
  auto resolved = std::make_shared<ResolvedImage>();
  resolved->id = image.id;
  resolved->os = image.os;
  resolved->architecture = image.architecture;
  resolved->variant = image.variant;
  resolved->config = std::move(config.config);
  resolved->chain_ids = image.chain_ids;
  resolved->manifest_digest = image.manifest_digest;
  const std::lock_guard lock{cache_mutex_};
  if (cache_.size() >= kCacheEntries) cache_.clear();
  cache_[image.id] = resolved;
  return *resolved;
}

std::string Store::id_of(const std::string& name) {
  try {
    const ImagePtr image = find_record(name);
    return image == nullptr ? "" : image->id;
  } catch (const Error&) {  // a prefix that two images have by now
    return "";
  }
}

ResolvedImage Store::get(const std::string& name) {
  std::optional<ResolvedImage> image = find(name);
  if (!image) throw no_such_image(name);
  return std::move(*image);
}

Store::Sizes Store::sizes_of(const ImageRecord& image) const {
  Sizes sizes;
  for (const std::string& chain : image.chain_ids) {
    const auto layer = catalog_.find_layer(chain);
    if (!layer) continue;
    sizes.files += static_cast<std::int64_t>(layer->size);
    sizes.blobs += static_cast<std::int64_t>(layer->blob_size);
  }
  return sizes;
}

std::int64_t Store::files_size(const std::string& id) {
  const ImagePtr image = catalog_.find_image(id);
  if (image == nullptr) throw no_such_image(id);
  return sizes_of(*image).files;
}

// ---- Store: views ----

namespace {

void fill_names(const std::vector<oci::Reference>& references, std::vector<std::string>& tags,
                std::vector<std::string>& digests) {
  for (const oci::Reference& reference : references) {
    (reference.digest.empty() ? tags : digests).push_back(reference.familiar());
  }
}

GraphDriverData describe_layers(const graph::Driver& driver, const std::vector<std::string>& chain_ids) {
  GraphDriverData graph{driver.name(), {}};
  if (chain_ids.empty() || driver.name() != "overlay2" || !driver.has_layer(chain_ids.back())) return graph;
  const std::string folder = driver.layer_folder(chain_ids.back());
  graph.data = {{"MergedDir", folder + "/merged"}, {"UpperDir", folder + "/diff"}, {"WorkDir", folder + "/work"}};
  std::vector<std::string> lower;
  for (auto chain = chain_ids.rbegin() + 1; chain != chain_ids.rend(); ++chain) {
    if (driver.has_layer(*chain)) lower.push_back(driver.layer_dir(*chain));
  }
  if (!lower.empty()) graph.data["LowerDir"] = join(lower, ":");
  return graph;
}

std::int64_t unix_seconds(const std::string& text) {
  const auto time = parse_time(text);
  if (!time || *time == kNever) return 0;
  return std::chrono::floor<std::chrono::seconds>(*time).time_since_epoch().count();
}

}  // namespace

ImageInspect Store::inspect(const std::string& name, const std::string& platform) {
  const ImagePtr named = get_record(name), image = get_variant(name, platform);
  oci::Image config = read_config(image->id);
  ImageInspect view;
  view.id = image->id;
  fill_names(catalog_.tags_of(named->id), view.repo_tags, view.repo_digests);
  view.parent = image->parent_id;
  view.comment = config.comment;
  if (view.comment.empty() && !config.history.empty()) view.comment = config.history.back().comment;
  view.created = config.created;
  view.docker_version = config.docker_version;
  view.author = config.author;
  view.config = std::move(config.config);
  view.architecture = config.architecture;
  view.variant = config.variant;
  view.os = config.os;
  view.os_version = config.os_version;
  const Sizes sizes = sizes_of(*image);
  view.size = sizes.files + sizes.blobs;
  view.graph_driver = describe_layers(driver_, image->chain_ids);
  view.root_fs.layers = config.rootfs.diff_ids;
  view.metadata.last_tag_time = format_time(image->last_tagged);
  return view;
}

std::vector<HistoryEntry> Store::history(const std::string& name, const std::string& platform) {
  const ImagePtr image = get_variant(name, platform);
  const oci::Image config = read_config(image->id);
  std::vector<HistoryEntry> entries;
  auto chain = image->chain_ids.begin();
  for (const oci::ImageHistory& step : config.history) {
    HistoryEntry entry{.id = "<missing>",
                       .created = unix_seconds(step.created),
                       .created_by = step.created_by,
                       .comment = step.comment};
    if (!step.empty_layer) {
      if (chain == image->chain_ids.end()) throw system_error("too many non-empty layers in History section");
      if (const auto layer = catalog_.find_layer(*chain)) entry.size = static_cast<std::int64_t>(layer->size);
      ++chain;
    }
    entries.push_back(std::move(entry));
  }
  std::reverse(entries.begin(), entries.end());
  ImagePtr at = image;
  for (HistoryEntry& entry : entries) {
    entry.id = at->id;
    for (const oci::Reference& reference : catalog_.tags_of(at->id)) {
      if (!reference.tag.empty()) entry.tags.push_back(reference.familiar());
    }
    at = at->parent_id.empty() ? nullptr : catalog_.find_image(at->parent_id);
    if (at == nullptr) break;
  }
  return entries;
}

std::vector<StoredImage> Store::list() {
  std::vector<StoredImage> views;
  const std::set<std::string> variants = indexes_.images();
  std::map<std::string, std::set<std::string>> others;  // by the ID that a name stands for
  for (const auto& [name, digest] : catalog_.indexes()) {
    const auto id = catalog_.find_tag(name);
    const auto index = id ? indexes_.find(digest) : nullptr;
    if (index == nullptr) continue;
    for (const Indexes::Member& member : index->members) {
      if (!member.image_id.empty() && member.image_id != *id) others[*id].insert(member.image_id);
    }
  }
  for (const ImagePtr& image : catalog_.images()) {
    StoredImage view;
    view.id = image->id;
    view.parent_id = image->parent_id;
    fill_names(catalog_.tags_of(image->id), view.repo_tags, view.repo_digests);
    view.is_variant = view.repo_tags.empty() && view.repo_digests.empty() && variants.contains(image->id);
    if (const auto at = others.find(image->id); at != others.end())
      view.variants = {at->second.begin(), at->second.end()};
    view.os = image->os;
    view.architecture = image->architecture;
    view.created = image->created;
    view.loaded = image->loaded;
    view.last_used = std::max({image->loaded, image->last_tagged, last_uses_.find(image->id)});
    view.labels = image->labels;
    for (const std::string& chain : image->chain_ids) {
      const auto layer = catalog_.find_layer(chain);
      if (!layer) continue;
      const auto size = static_cast<std::int64_t>(layer->disk_size());
      view.size += size;
      if (catalog_.image_count_on(chain) > 1) view.shared_size += size;
    }
    views.push_back(std::move(view));
  }
  return views;
}

void Store::note_use(const std::string& id) {
  const auto exists = [this](const std::string& image) { return catalog_.find_image(image) != nullptr; };
  if (exists(id)) last_uses_.note(id, now(), exists);
}

std::uint64_t Store::layers_size() {
  std::uint64_t total = 0;
  for (const LayerRecord& layer : catalog_.layers()) total += layer.disk_size();
  return total;
}

std::map<std::string, std::uint64_t> Store::layer_sizes() {
  std::map<std::string, std::uint64_t> sizes;
  for (const LayerRecord& layer : catalog_.layers()) sizes[layer.chain_id] = layer.disk_size();
  return sizes;
}

// ---- Store: tags ----

void Store::tag(const std::string& name, const std::string& repository, const std::string& tag) {
  const ImagePtr image = get_record(name);
  oci::Reference reference = oci::parse_reference(repository);
  if (!reference.digest.empty()) throw invalid("refusing to create a tag with a digest reference");
  if (!tag.empty()) {
    oci::check_tag(tag);
    reference.tag = tag;
  }
  if (reference.familiar_name() == "sha256") {
    throw invalid("refusing to create an ambiguous tag using digest algorithm as name");
  }
  reference = reference.with_default_tag();
  const std::lock_guard lock{changes_};
  const ImagePtr current = catalog_.find_image(image->id);
  if (current == nullptr) throw no_such_image(name);
  ImageRecord record = *current;
  record.last_tagged = now();
  Change change{.put_images = {record}, .put_tags = {{reference.full(), image->id}}};
  if (const auto index = index_of(name)) change.put_indexes[reference.full()] = index->descriptor.digest;
  const std::set<std::string> lost = indexes_of(change.put_tags);
  catalog_.apply(change);
  drop_nameless_indexes(lost);
  write_index();
  report("tag", image->id, reference.familiar());
}

}  // namespace berth::image
