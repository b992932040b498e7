#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/async/task.h"
#include "base/core/stream.h"
#include "engine/filters.h"
#include "image/views.h"

/// The door of the engine for images. Names are Docker's familiar references, full or short IDs.
namespace berth::engine {

struct ImageListQuery {
  bool all = false, digests = false, shared_size = false, manifests = false;
  Filters filters;
};

struct ImportRequest {
  std::string reference, message, platform;  ///< reference "" leaves the image untagged
  std::vector<std::string> changes;          ///< Dockerfile instructions (-c)
};

class Images {
 public:
  virtual ~Images() = default;
  virtual Task<std::vector<image::ImageSummary>> list(ImageListQuery query) = 0;
  struct InspectQuery {
    std::string name, platform;  ///< platform "linux/arm64"; "" is what the name stands for
    bool manifests = false;
  };
  virtual Task<image::ImageInspect> inspect(InspectQuery query) = 0;
  virtual Task<std::vector<image::HistoryEntry>> history(std::string name, std::string platform) = 0;
  virtual Task<void> tag(std::string name, std::string repository, std::string tag) = 0;
  struct RemoveQuery {
    std::string name;
    bool force = false, prune = true;
    std::vector<std::string> platforms{};  ///< only these variants; none: the name with all that it stands for
  };
  virtual Task<std::vector<image::DeleteResponse>> remove(RemoveQuery query) = 0;
  virtual Task<image::PruneReport> prune(Filters filters) = 0;

  /// Reads an archive (docker-archive or OCI layout; none, gzip, zstd) and writes Docker's progress messages, one JSON
  /// object a line, to `progress`. The source and sink are used on a pool thread until the task ends.
  virtual Task<void> load(std::shared_ptr<ByteSource> archive, std::shared_ptr<ByteSink> progress, bool quiet,
                          std::vector<std::string> platforms) = 0;
  /// image::ImageStore::check(): verifies everything, a report in lines of JSON.
  virtual Task<void> check(bool repair, std::shared_ptr<ByteSink> report) = 0;
  /// Throws not_found before anything is written.
  struct SaveQuery {
    std::vector<std::string> names, platforms;  ///< no platform: all variants that are here
  };
  virtual Task<void> check_saveable(SaveQuery query) = 0;
  virtual Task<void> save(SaveQuery query, std::shared_ptr<ByteSink> archive) = 0;
  virtual Task<void> import(std::shared_ptr<ByteSource> tar, std::shared_ptr<ByteSink> progress,
                            ImportRequest request) = 0;
};

}  // namespace berth::engine
