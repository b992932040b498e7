#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/async/task.h"
#include "base/core/time.h"
#include "engine/filters.h"

namespace berth::engine {

struct SystemInfo;  // engine/system_views.h
struct VersionInfo;
struct DiskUsage;

/// One message of GET /events. Spec: docker-engine-api-v1.51.yaml, EventMessage.
struct EventMessage;  // engine/events.h

class EventStream {
 public:
  virtual ~EventStream() = default;
  /// Next event as JSON, without the newline; nullopt when `until` has passed. Cancellable.
  virtual Task<std::optional<std::string>> next() = 0;
};

struct DiskUsageQuery {
  bool containers = true, images = true, volumes = true, build_cache = true;
};

class System {
 public:
  virtual ~System() = default;
  virtual SystemInfo info() = 0;
  virtual VersionInfo version() = 0;
  virtual Task<DiskUsage> disk_usage(DiskUsageQuery query) = 0;
  /// Throws invalid for unknown filters.
  virtual std::unique_ptr<EventStream> open_events(std::optional<Time> since, std::optional<Time> until,
                                                   Filters filters) = 0;
};

}  // namespace berth::engine
