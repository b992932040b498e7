#include "image/check.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <thread>

#include "base/core/error.h"
#include "base/core/text.h"
#include "image/documents.h"
#include "image/kept_blob.h"
#include "image/progress.h"
#include "image/store.h"
#include "oci/digest.h"

namespace berth::image {

namespace {

constexpr std::string_view kFetchAgain = "; load or pull the image again";
constexpr std::chrono::seconds kRemovalTime{2};
constexpr std::uint64_t kProgressStepBytes = 32 << 20;

bool has(const std::vector<std::string>& list, const std::string& item) {
  return std::ranges::find(list, item) != list.end();
}

/// Counts what goes through, and says so now and then.
class CountingSink : public ByteSink {
 public:
  CountingSink(Progress& progress, std::string id, std::uint64_t total)
      : progress_(progress), id_(std::move(id)), total_(total) {}
  void write(std::string_view bytes) override {
    count_ += bytes.size();
    if (count_ - shown_ < kProgressStepBytes) return;
    shown_ = count_;
    progress_.advance("Checking", id_, count_, total_);
  }
  std::uint64_t count() const { return count_; }

 private:
  Progress& progress_;
  std::string id_;
  std::uint64_t total_, count_ = 0, shown_ = 0;
};

}  // namespace

/// One check of the store while it is in use: what is looked at is pinned or looked up again before anything is said
/// of it, so that a pull or a removal at the same time is no problem.
class Checker {
 public:
  Checker(Store& store, bool repair, ByteSink& sink) : store_(store), repair_(repair), sink_(sink) {}

  void run() {
    if (store_.options_.find_uses) uses_ = store_.options_.find_uses();
    for (const ImagePtr& image : store_.catalog_.images()) check_image(*image);
    for (const auto& [name, digest] : store_.catalog_.indexes()) check_index(name, digest);
    for (const LayerRecord& layer : store_.catalog_.layers()) check_layer(layer);
    check_containers();
    find_stray_content();
    find_stray_layers();
    sink_.write(json::to_json(CheckLine{.problem = std::nullopt, .summary = summary_}) + "\n");
  }

 private:
  void say(Problem problem) {
    ++summary_.problems;
    if (problem.repaired) ++summary_.repaired;
    sink_.write(json::to_json(CheckLine{.problem = std::move(problem), .summary = std::nullopt}) + "\n");
  }

  bool is_known(const ImageRecord& image) const { return store_.catalog_.find_image(image.id) != nullptr; }

  std::vector<std::string> names_of(const ImageRecord& image) const {
    std::vector<std::string> names;
    for (const oci::Reference& tag : store_.catalog_.tags_of(image.id)) names.push_back(tag.familiar());
    if (names.empty()) names.push_back(image.id);
    return names;
  }

  void check_image(const ImageRecord& image) {
    ++summary_.images;
    const std::optional<std::string> config = check_document(image, "config", image.id);
    check_document(image, "manifest", image.manifest_digest);
    if (!config) return;
    std::string fault;
    try {
      const auto diff_ids = json::from_json<oci::Image>(*config).rootfs.diff_ids;
      if (chain_ids_of(diff_ids) != image.chain_ids) fault = "its layers are not those that its config names";
    } catch (const Error& error) {
      fault = cat("its config cannot be read: ", error.text());
    }
    if (fault.empty()) {
      for (const std::string& chain : image.chain_ids) {
        if (!store_.catalog_.find_layer(chain)) fault = cat("its layer ", chain, " is not in the catalog");
      }
    }
    if (fault.empty() || !is_known(image)) return;
    say({.kind = "inconsistent",
         .object = "image",
         .id = image.id,
         .message = cat(fault, "; remove the image and load or pull it again"),
         .images = names_of(image)});
  }

  void check_index(const std::string& name, const std::string& digest) {
    ++summary_.documents;
    std::string at = digest;
    try {
      std::set<std::string> seen;
      read_index(digest, seen, at);
    } catch (const Error& error) {
      if (store_.catalog_.find_index(name) != digest) return;  // changed while we looked
      say({.kind = error.kind() == ErrorKind::not_found ? "missing" : "damaged",
           .object = "index",
           .id = at,
           .message = error.text(),
           .images = {oci::parse_reference(name).familiar()}});
    }
  }

  /// With the indexes within it that are here. `at` is the one in hand.
  void read_index(const std::string& digest, std::set<std::string>& seen, std::string& at) {
    if (!seen.insert(digest).second) return;
    at = digest;
    for (const oci::Descriptor& entry : parse_index(store_.content_.get(digest)).manifests) {
      if (is_index(entry.media_type) && store_.content_.has(entry.digest)) read_index(entry.digest, seen, at);
    }
  }

  /// The document when it is right.
  std::optional<std::string> check_document(const ImageRecord& image, const std::string& object,
                                            const std::string& digest) {
    ++summary_.documents;
    try {
      return store_.content_.get(digest);
    } catch (const Error& error) {
      // Its image may have gone, or have got another manifest, while we looked.
      const ImagePtr now = store_.catalog_.find_image(image.id);
      if (now == nullptr || (digest != now->id && digest != now->manifest_digest)) return std::nullopt;
      say({.kind = error.kind() == ErrorKind::not_found ? "missing" : "damaged",
           .object = object,
           .id = digest,
           .message = error.text(),
           .images = names_of(image)});
      return std::nullopt;
    }
  }

  void check_layer(const LayerRecord& layer) {
    std::string fault;
    {
      Store::Reading reading{store_};
      if (!reading.pins().add_existing(layer.chain_id)) {
        if (is_wanted(layer.chain_id)) report_layer(layer, "missing", "is missing on the disk", false);
        return;
      }
      ++summary_.layers;
      fault = find_fault(layer);
      if (fault.empty()) check_blob(layer.chain_id, layer.diff_id);
    }
    if (!fault.empty()) report_layer(layer, "damaged", fault, repair_ && drop_layer(layer.chain_id));
  }

  std::string find_fault(const LayerRecord& layer) {
    CountingSink counted{progress_, oci::short_id(layer.diff_id), layer.tar_size};
    std::string fault;
    try {
      const auto difference = find_damage(store_.driver_, layer.chain_id, layer.diff_id, counted);
      if (difference) fault = cat("is damaged on the disk: ", *difference);
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::cancelled) throw;
      fault =
          error.text().starts_with("layer ") ? "is damaged on the disk" : cat("is damaged on the disk: ", error.text());
    }
    summary_.bytes += counted.count();
    if (fault.empty() && counted.count() != layer.tar_size)
      fault = cat("has ", counted.count(), " bytes as a tar, of which the catalog says ", layer.tar_size);
    return fault;
  }

  /// The compressed form beside it. Without one nothing is lost but the digest that a push would have.
  void check_blob(const std::string& chain, const std::string& diff_id) {
    const std::string folder = store_.driver_.layer_folder(chain);
    if (!has_kept_blob(folder)) {  // nor is one missing: it was given up
      if (repair_) settle_blob(chain, folder);
      return;
    }
    const auto kept = open_kept_blob(folder);
    if (kept && is_whole(*kept)) {
      if (repair_) settle_blob(chain, folder);
      return;
    }
    if (!has_kept_blob(folder)) return;  // given up meanwhile
    if (repair_) store_.forget_blob(chain);
    say({.kind = kept ? "damaged" : "missing",
         .object = "blob",
         .id = kept ? kept->digest : chain,
         .message =
             cat("the compressed form of layer ", diff_id, " is ", kept ? "damaged" : "missing",
                 " on the disk; the layer itself is whole, and is compressed again when it is pushed, which gives"
                 " the image another digest; to have it back, remove the image and pull it again"),
         .images = images_on(chain),
         .repaired = repair_});
  }

  bool is_whole(const KeptBlob& kept) {
    CountingSink counted{progress_, oci::short_id(kept.digest), kept.size};
    bool whole = true;
    try {
      write_kept_blob(kept, counted);
    } catch (const DamagedBlob&) {
      whole = false;
    }
    summary_.bytes += counted.count();
    return whole;
  }

  /// A crash may have come between a blob and the record of its size.
  void settle_blob(const std::string& chain, const std::string& folder) {
    const std::lock_guard lock{store_.changes_};
    if (store_.catalog_.find_layer(chain)) store_.record_blob_size(chain, settle_kept_blob(folder));
  }

  std::vector<std::string> images_on(const std::string& chain) const {
    std::vector<std::string> names;
    for (const ImagePtr& image : store_.catalog_.images()) {
      if (!has(image->chain_ids, chain)) continue;
      for (std::string& name : names_of(*image)) names.push_back(std::move(name));
    }
    return names;
  }

  bool is_wanted(const std::string& chain) const {
    return store_.catalog_.find_layer(chain) && (store_.catalog_.image_count_on(chain) != 0 || !on(chain).empty());
  }

  std::vector<std::string> on(const std::string& chain) const {
    std::vector<std::string> ids;
    for (const ContainerUse& use : uses_) {
      if (has(use.chain_ids, chain)) ids.push_back(use.container_id);
    }
    return ids;
  }

  /// Nobody should run what is damaged: without its folder the layer is missing, and is made anew when its image comes
  /// again. False while somebody stands on it.
  bool drop_layer(const std::string& chain) {
    if (!on(chain).empty()) return false;
    store_.pins_.collect({chain}, [](const std::string&) { return false; });
    return !store_.driver_.has_layer(chain);
  }

  void report_layer(const LayerRecord& layer, const std::string& kind, const std::string& fault, bool dropped) {
    Problem problem{.kind = kind,
                    .object = "layer",
                    .id = layer.chain_id,
                    .message = cat("layer ", layer.diff_id, " ", fault, dropped ? " and was taken out" : ""),
                    .images = images_on(layer.chain_id),
                    .containers = on(layer.chain_id),
                    .repaired = dropped};
    if (kind == "damaged" && !problem.containers.empty()) {
      problem.message += "; remove the containers that stand on it, then check again with --repair";
    } else {
      problem.message += kFetchAgain;
    }
    say(std::move(problem));
  }

  void check_containers() {
    const std::vector<std::string> folders = store_.driver_.list_container_layers();
    for (const ContainerUse& use : uses_) {
      ++summary_.containers;
      if (has(folders, use.container_id)) continue;
      const std::vector<ContainerUse> now = store_.options_.find_uses();
      if (std::ranges::none_of(now, [&](const ContainerUse& other) { return other.container_id == use.container_id; }))
        continue;
      say({.kind = "missing",
           .object = "container layer",
           .id = use.container_id,
           .message =
               "the container's own layer is missing on the disk; what it had written is lost: remove the container",
           .containers = {use.container_id}});
    }
  }

  /// What no image needs: left by a crash between two steps, harmless, and taken away at the next start anyway.
  void find_stray_content() {
    const std::lock_guard lock{store_.changes_};
    std::set<std::string> wanted = store_.wanted_content();
    for (const std::string& digest : store_.content_.list()) {
      if (wanted.contains(digest)) continue;
      if (repair_) store_.content_.remove(digest);
      say({.kind = "stray", .object = "content", .id = digest, .message = "no image needs it", .repaired = repair_});
    }
    if (repair_) store_.write_index();
  }

  bool is_stray(const std::string& chain) const {
    return !store_.catalog_.find_layer(chain) && !store_.pulled_.find(chain) && !store_.pins_.is_pinned(chain) &&
           on(chain).empty() && store_.driver_.has_layer(chain);
  }

  void find_stray_layers() {
    std::vector<std::string> strays = store_.driver_.list_layers();
    std::erase_if(strays, [&](const std::string& chain) { return !is_stray(chain); });
    if (strays.empty()) return;
    // A removal is between its two steps, the row's and the folder's, for a moment: that is no stray layer.
    std::this_thread::sleep_for(kRemovalTime);
    std::erase_if(strays, [&](const std::string& chain) { return !is_stray(chain); });
    if (repair_ && !strays.empty()) store_.collect_layers();
    for (const std::string& chain : strays) {
      const bool gone = repair_ && !store_.driver_.has_layer(chain);
      say({.kind = "stray", .object = "layer", .id = chain, .message = "no image needs it", .repaired = gone});
    }
  }

  Store& store_;
  const bool repair_;
  ByteSink& sink_;
  Progress progress_{sink_, false};
  std::vector<ContainerUse> uses_;
  CheckSummary summary_;
};

void Store::check(bool repair, ByteSink& report) { Checker{*this, repair, report}.run(); }

}  // namespace berth::image
