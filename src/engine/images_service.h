#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/async/async.h"
#include "base/db/database.h"
#include "engine/images.h"
#include "graph/driver.h"
#include "image/image_store.h"

namespace berth::engine {

/// Who is told of changes.
class ImageUsers {
 public:
  virtual ~ImageUsers() = default;
  /// On the event loop. `action`: "load", "import", "tag", "untag", "delete", "prune"; for the events. `id` is "" for
  /// prune.
  virtual void image_changed(const std::string& action, const std::string& id, const std::string& name) = 0;
};

/// engine::Images over an image::ImageStore, which it opens. Reading answers come from memory; all that
/// touches the disk runs on a pool.
class ImagesService final : public Images {
 public:
  /// What the store asks and tells others (`find_uses`, `on_event`) is set here. `transfers` is for work that waits for
  /// clients, who must not keep others from the pool.
  ImagesService(EventLoop& loop, async::BlockingPool& pool, async::BlockingPool& transfers, ImageUsers& users,
                image::StoreOptions options);
  ~ImagesService() override;

  /// Who knows which images containers use; asked on any thread. To be told before the first operation.
  void set_find_uses(image::FindUses find_uses) { *find_uses_ = std::move(find_uses); }

  /// For whoever makes containers. get() and find() may block for a small file: call them on the pool, or accept that.
  image::ImageStore& store() { return *store_; }

  Task<std::vector<image::ImageSummary>> list(ImageListQuery query) override;
  Task<image::ImageInspect> inspect(InspectQuery query) override;
  Task<std::vector<image::HistoryEntry>> history(std::string name, std::string platform) override;
  Task<void> tag(std::string name, std::string repository, std::string tag) override;
  Task<std::vector<image::DeleteResponse>> remove(RemoveQuery query) override;
  Task<image::PruneReport> prune(Filters filters) override;
  Task<void> check(bool repair, std::shared_ptr<ByteSink> report) override;
  Task<void> load(std::shared_ptr<ByteSource> archive, std::shared_ptr<ByteSink> progress, bool quiet,
                  std::vector<std::string> platforms) override;
  Task<void> check_saveable(SaveQuery query) override;
  Task<void> save(SaveQuery query, std::shared_ptr<ByteSink> archive) override;
  Task<void> import(std::shared_ptr<ByteSource> tar, std::shared_ptr<ByteSink> progress,
                    ImportRequest request) override;

 private:
  image::PruneReport prune_now(const Filters& filters);
  void add_manifests(image::ImageSummary& summary);

  async::BlockingPool& pool_;
  async::BlockingPool& transfers_;
  ImageUsers& users_;
  std::shared_ptr<image::FindUses> find_uses_;
  std::unique_ptr<image::ImageStore> store_;
};

}  // namespace berth::engine
