#include "engine/containers_service.h"

#include <mutex>

#include "base/core/error.h"
#include "base/core/text.h"

namespace berth::engine {

/// image_uses() is asked for on pool threads, while the containers are the event loop's.
struct ContainersService::SharedUses {
  std::mutex mutex;
  std::map<std::string, image::ContainerUse> by_id;
};

ContainersService::ContainersService(ContainersParts parts, const EngineOptions& options)
    : parts_(parts),
      options_(options),
      operations_(parts.loop),
      background_(parts.loop),
      sampler_(parts.loop, parts.pool, background_, parts.networks,
               [this](const Container& container) { return stats_source(container); }),
      uses_(std::make_shared<SharedUses>()) {
  const auto report = [this](const std::string& name, const std::exception& error) {
    parts_.log.error(name, ": ", std::string_view{error.what()});
  };
  operations_.on_error(report);
  background_.on_error(report);
}

ContainersService::~ContainersService() = default;

std::string ContainersService::container_dir(const std::string& id) const {
  return cat(options_.data_root, "/containers/", id);
}

std::string ContainersService::run_dir(const std::string& id) const {
  return cat(options_.exec_root, "/containers/", id);
}

void ContainersService::check_open() const {
  if (closing_) throw Error{ErrorKind::unavailable, "the daemon is shutting down"};
}

void ContainersService::publish(const Container& container, std::string action,
                                std::map<std::string, std::string> more) {
  std::map<std::string, std::string> attributes = container.record.config.labels;
  attributes["image"] = container.record.config.image;
  attributes["name"] = container.record.name;
  for (auto& [key, value] : more) attributes[key] = std::move(value);
  parts_.events.publish("container", std::move(action), container.id(), std::move(attributes));
}

void ContainersService::publish_volume_events(const Container& container, std::string_view action) {
  for (const container::MountPoint& mount : container.record.mount_points) {
    if (mount.type != "volume") continue;
    std::map<std::string, std::string> attributes{{"container", container.id()}, {"driver", "local"}};
    if (action == "mount") {
      attributes["destination"] = mount.destination;
      attributes["read/write"] = mount.rw ? "true" : "false";
      attributes["propagation"] = mount.propagation;
    }
    parts_.events.publish("volume", std::string{action}, mount.name, std::move(attributes));
  }
}

void ContainersService::publish_network_events(const Container& container, std::string_view action) {
  for (const network::Endpoint& endpoint : container.endpoints) {
    parts_.events.publish("network", std::string{action}, endpoint.network_id,
                          {{"container", container.id()}, {"name", endpoint.network_name}, {"type", "bridge"}});
  }
}

ContainerCounts ContainersService::counts() const {
  ContainerCounts counts;
  for (const ContainerPtr& container : registry_.all()) {
    switch (container->record.state.status) {
      case container::Status::paused: ++counts.paused; break;
      case container::Status::running:
      case container::Status::restarting: ++counts.running; break;
      default: ++counts.stopped;
    }
  }
  return counts;
}

void ContainersService::note_image_use(const container::Record& record) {
  const std::lock_guard lock{uses_->mutex};
  uses_->by_id[record.id] = {record.id, record.image_id, record.image_name, record.state.running()};
}

void ContainersService::drop_image_use(const std::string& id) {
  const std::lock_guard lock{uses_->mutex};
  uses_->by_id.erase(id);
}

std::vector<image::ContainerUse> ContainersService::image_uses() const {
  const std::lock_guard lock{uses_->mutex};
  std::vector<image::ContainerUse> uses;
  for (const auto& [id, use] : uses_->by_id) uses.push_back(use);
  return uses;
}

std::vector<const container::Record*> ContainersService::records() const {
  std::vector<const container::Record*> records;
  for (const ContainerPtr& container : registry_.all()) records.push_back(&container->record);
  return records;
}

std::vector<network::Endpoint> ContainersService::live_endpoints() const {
  std::vector<network::Endpoint> endpoints;
  for (const ContainerPtr& container : registry_.all()) {
    endpoints.insert(endpoints.end(), container->endpoints.begin(), container->endpoints.end());
  }
  return endpoints;
}

const std::vector<network::Endpoint>& ContainersService::endpoints_of(const std::string& id) const {
  return registry_.get(id)->endpoints;
}

namespace {

std::map<std::string, std::set<std::string>> find_images(image::ImageStore& images,
                                                         const std::vector<std::string>& names) {
  std::map<std::string, std::set<std::string>> found;
  for (const std::string& name : names) {
    if (const std::optional<image::ResolvedImage> image = images.find(name)) found[name].insert(image->id);
  }
  return found;
}

std::map<std::string, std::string> find_networks(network::Networks& networks, const std::vector<std::string>& names) {
  std::map<std::string, std::string> found;
  for (const std::string& name : names) {
    if (const std::optional<network::NetworkRecord> network = networks.find(name)) found[name] = network->id;
  }
  return found;
}

}  // namespace

Task<FilterLookups> ContainersService::filter_lookups(Filters filters) {
  std::map<std::string, std::set<std::string>> images;
  std::map<std::string, std::string> networks;
  if (filters.has("ancestor")) {
    images = co_await parts_.pool.run([&] { return find_images(parts_.images, filters.get("ancestor")); });
  }
  if (filters.has("network")) {
    networks = co_await parts_.pool.run([&] { return find_networks(parts_.networks, filters.get("network")); });
  }
  FilterLookups lookups;
  lookups.find_container = [this](const std::string& name) -> const container::Record* {
    const ContainerPtr container = registry_.find(name);
    return container ? &container->record : nullptr;
  };
  lookups.find_images = [images = std::move(images)](const std::string& name) {
    const auto found = images.find(name);
    return found == images.end() ? std::set<std::string>{} : found->second;
  };
  lookups.find_network_id = [networks = std::move(networks)](const std::string& name) {
    const auto found = networks.find(name);
    return found == networks.end() ? std::string{} : found->second;
  };
  co_return lookups;
}

}  // namespace berth::engine
