#include "engine/images_service.h"

#include <boost/asio/post.hpp>

#include "base/core/error.h"
#include "base/core/text.h"
#include "engine/image_changes.h"
#include "engine/image_filter.h"

namespace berth::engine {

ImagesService::ImagesService(EventLoop& loop, async::BlockingPool& pool, async::BlockingPool& transfers,
                             ImageUsers& users, image::StoreOptions options)
    : pool_(pool), transfers_(transfers), users_(users), find_uses_(std::make_shared<image::FindUses>()) {
  options.find_uses = [find = find_uses_] { return (*find)(); };
  options.on_event = [&loop, &users](const std::string& action, const std::string& id, const std::string& name) {
    boost::asio::post(loop, [&users, action, id, name] { users.image_changed(action, id, name); });
  };
  store_ = image::open_store(std::move(options));
}

ImagesService::~ImagesService() = default;

Task<std::vector<image::ImageSummary>> ImagesService::list(ImageListQuery query) {
  const std::vector<image::StoredImage> images = store_->list();
  const auto find_created = [this](const std::string& name) {
    const std::string id = store_->get(name).id;
    for (const image::StoredImage& image : store_->list()) {
      if (image.id == id) return image.created;
    }
    return kNever;
  };
  std::vector<image::ImageSummary> summaries = summarize_images(images, query, find_created);
  if (!query.manifests) co_return summaries;
  co_return co_await pool_.run([this, &summaries] {
    for (image::ImageSummary& summary : summaries) add_manifests(summary);
    return std::move(summaries);
  });
}

void ImagesService::add_manifests(image::ImageSummary& summary) {
  try {
    image::IndexView view = store_->describe_index(summary.repo_tags.empty() ? summary.id : summary.repo_tags.front());
    summary.descriptor = std::move(view.descriptor);
    summary.manifests = std::move(view.manifests);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::not_found) throw;  // removed meanwhile
  }
}

Task<image::ImageInspect> ImagesService::inspect(InspectQuery query) {
  co_return co_await pool_.run([this, query = std::move(query)] {
    image::ImageInspect inspect = store_->inspect(query.name, query.platform);
    if (query.manifests) {
      image::IndexView view = store_->describe_index(query.name);
      inspect.descriptor = std::move(view.descriptor);
      inspect.manifests = std::move(view.manifests);
    }
    return inspect;
  });
}

Task<std::vector<image::HistoryEntry>> ImagesService::history(std::string name, std::string platform) {
  co_return co_await pool_.run([this, name, platform] { return store_->history(name, platform); });
}

Task<void> ImagesService::tag(std::string name, std::string repository, std::string tag) {
  co_await pool_.run([this, name, repository, tag] { store_->tag(name, repository, tag); });
}

Task<std::vector<image::DeleteResponse>> ImagesService::remove(RemoveQuery query) {
  co_return co_await pool_.run([this, query = std::move(query)] {
    if (query.platforms.empty()) return store_->remove(query.name, query.force, query.prune);
    return store_->remove_variants(query.name, query.platforms, query.force, query.prune);
  });
}

Task<image::PruneReport> ImagesService::prune(Filters filters) {
  image::PruneReport report = co_await pool_.run([this, filters] { return prune_now(filters); });
  users_.image_changed("prune", "", cat(report.space_reclaimed));
  co_return report;
}

image::PruneReport ImagesService::prune_now(const Filters& filters) {
  const std::map<std::string, std::uint64_t> sizes = store_->layer_sizes();
  image::PruneReport report;
  const auto remove = [&](const std::string& name, const std::string& id) {
    try {
      for (image::DeleteResponse& record : store_->remove_unchanged(name, id)) {
        const auto layer = sizes.find(record.deleted);
        if (layer != sizes.end()) report.space_reclaimed += layer->second;
        report.images_deleted.push_back(std::move(record));
      }
    } catch (const Error& error) {
      // In use, gone, or another one meanwhile: prune takes what it can.
      if (error.kind() != ErrorKind::conflict && error.kind() != ErrorKind::not_found) throw;
    }
  };
  for (const ChosenImage& image : choose_prunable(store_->list(), filters)) {
    for (const std::string& name : image.names) remove(name, image.id);
  }
  report.space_reclaimed += store_->drop_unfinished(std::chrono::steady_clock::time_point::max());
  return report;
}

Task<void> ImagesService::check(bool repair, std::shared_ptr<ByteSink> report) {
  co_await pool_.run([this, repair, report] { store_->check(repair, *report); });
}

Task<void> ImagesService::load(std::shared_ptr<ByteSource> archive, std::shared_ptr<ByteSink> progress, bool quiet,
                               std::vector<std::string> platforms) {
  co_await transfers_.run(
      [this, archive, progress, quiet, platforms] { store_->load(*archive, *progress, quiet, platforms); });
}

Task<void> ImagesService::check_saveable(SaveQuery query) {
  co_await pool_.run([this, query = std::move(query)] { store_->check_saveable(query.names, query.platforms); });
}

Task<void> ImagesService::save(SaveQuery query, std::shared_ptr<ByteSink> archive) {
  co_await transfers_.run(
      [this, query = std::move(query), archive] { store_->save(query.names, query.platforms, *archive); });
}

Task<void> ImagesService::import(std::shared_ptr<ByteSource> tar, std::shared_ptr<ByteSink> progress,
                                 ImportRequest request) {
  const oci::ContainerConfig config = apply_changes({}, request.changes);
  co_await transfers_.run([this, tar, progress, request, config] {
    store_->import(*tar, *progress, request.reference, request.message, config, request.platform);
  });
}

}  // namespace berth::engine
