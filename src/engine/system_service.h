#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/core/time.h"
#include "engine/container_setup.h"
#include "engine/system.h"
#include "engine/system_views.h"

namespace berth::engine {

struct ContainerCounts {
  std::int64_t running = 0, paused = 0, stopped = 0;
};

/// What GET /info shows of the daemon's configuration.
struct SystemOptions {
  std::string id;  ///< load_engine_id()
  std::string data_root, shim_path, init_path, storage_driver;
  std::vector<std::string> labels, hosts, insecure_registries, registry_mirrors;
  std::string http_proxy, https_proxy, no_proxy;
  bool debug = false, experimental = false, live_restore = false, firewall = true;
  SetupDefaults defaults;  ///< runtimes, logging, seccomp profile, what the host can do
};

/// Other parts of the engine, as far as the system's answers need them. All are called on the event loop.
struct SystemParts {
  std::function<ContainerCounts()> container_counts;
  std::function<std::int64_t()> image_count;
  std::function<std::int64_t()> event_readers;
  std::function<std::unique_ptr<EventStream>(std::optional<Time> since, std::optional<Time> until, Filters filters)>
      open_events;
  std::function<Task<std::vector<ContainerSummary>>()> containers;  ///< all of them, with sizes
  std::function<Task<std::vector<image::ImageSummary>>()> images;   ///< with shared sizes and numbers of containers
  std::function<Task<std::vector<VolumeView>>()> volumes;           ///< with usage_data
  std::function<Task<std::int64_t>()> layers_size;
};

/// This daemon's identity: a UUID in <data root>/engine-id, made and kept durably at the first start.
std::string load_engine_id(const std::string& data_root);

/// GET /info, /version, /system/df and the door to /events.
std::unique_ptr<System> make_system(SystemOptions options, SystemParts parts);

}  // namespace berth::engine
