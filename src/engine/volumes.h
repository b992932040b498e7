#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/async/task.h"
#include "base/json/json.h"
#include "engine/filters.h"

namespace berth::engine {

/// Only `GET /system/df` fills it in.
struct VolumeUsage {
  std::int64_t size = -1, ref_count = -1;
  static void describe(auto& self, auto&& field) {
    field("Size", self.size);
    field("RefCount", self.ref_count);
  }
};

/// Spec: docker-engine-api-v1.51.yaml, Volume.
struct VolumeView {
  std::string created_at, driver = "local", mountpoint, name, scope = "local";
  std::map<std::string, std::string> labels, options;
  std::optional<VolumeUsage> usage_data;
  static void describe(auto& self, auto&& field) {
    field("CreatedAt", self.created_at);
    field("Driver", self.driver);
    field("Labels", self.labels, json::null_if_empty);
    field("Mountpoint", self.mountpoint);
    field("Name", self.name);
    field("Options", self.options, json::null_if_empty);
    field("Scope", self.scope);
    field("UsageData", self.usage_data, json::omit_empty);
  }
};

struct VolumeCreateRequest {
  static constexpr std::string_view kGoName = "CreateOptions";
  std::string name, driver;
  std::map<std::string, std::string> driver_opts, labels;
  static void describe(auto& self, auto&& field) {
    field("Name", self.name);
    field("Driver", self.driver);
    field("DriverOpts", self.driver_opts);
    field("Labels", self.labels);
  }
};

class Volumes {
 public:
  virtual ~Volumes() = default;
  virtual Task<VolumeView> create(VolumeCreateRequest request) = 0;
  virtual Task<std::vector<VolumeView>> list(Filters filters) = 0;
  virtual Task<VolumeView> inspect(std::string name) = 0;
  virtual Task<void> remove(std::string name, bool force) = 0;
  virtual Task<std::pair<std::vector<std::string>, std::uint64_t>> prune(Filters filters) = 0;
};

}  // namespace berth::engine
