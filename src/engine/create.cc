// POST /containers/create
#include <algorithm>
#include <cctype>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"
#include "engine/container_setup.h"
#include "engine/containers_service.h"
#include "engine/host_features.h"

namespace berth::engine {

namespace {

constexpr std::size_t kShortId = 12;

/// What a name takes and a container that does not come about gives back.
class NameReservation {
 public:
  NameReservation(ContainerRegistry& registry, std::string name, std::string id)
      : registry_(registry), name_(std::move(name)), id_(std::move(id)) {
    if (name_.empty()) {
      name_ = registry_.reserve_random(id_);
    } else {
      registry_.reserve(name_, id_);
    }
  }
  NameReservation(const NameReservation&) = delete;
  NameReservation& operator=(const NameReservation&) = delete;
  ~NameReservation() {
    if (!kept_) registry_.release(name_, id_);
  }
  const std::string& name() const { return name_; }
  void keep() { kept_ = true; }

 private:
  ContainerRegistry& registry_;
  std::string name_, id_;
  bool kept_ = false;
};

void complete_hostname(container::CreateRequest& request, const std::string& id) {
  if (!request.hostname.empty()) return;
  request.hostname = request.host_config.network_mode == "host" ? host_name() : id.substr(0, kShortId);
}

/// `wanted` is os[/architecture[/variant]], or "".
void check_platform_form(const std::string& wanted) {
  if (wanted.empty()) return;
  const std::vector<std::string> parts = split(wanted, '/');
  const bool good = parts.size() <= 3 && std::ranges::all_of(parts, [](const std::string& part) {
                      return !part.empty() && std::ranges::all_of(part, [](unsigned char c) {
                        return std::isalnum(c) != 0 || c == '_' || c == '.' || c == '-';
                      });
                    });
  if (!good) throw invalid(cat(quoted(wanted), ": cannot parse platform specifier: invalid argument"));
}

void check_platform(const image::ResolvedImage& image, const std::string& name, const std::string& wanted) {
  if (wanted.empty()) return;
  const std::string actual = cat(image.os, '/', image.architecture);
  const bool with_variant = std::ranges::count(wanted, '/') > 1;
  if (actual == wanted || image.os == wanted || (with_variant && cat(actual, '/', image.variant) == wanted)) return;
  throw not_found(cat("image with reference ", name, " was found but its platform (", actual,
                      ") does not match the specified platform (", wanted, ")"));
}

}  // namespace

Task<Created> ContainersService::create(std::string name, std::string platform, container::CreateRequest request) {
  return operation<Created>("create container", create_now(std::move(name), std::move(platform), std::move(request)));
}

std::map<std::string, const container::Record*> ContainersService::volume_donors(
    const container::HostConfig& host_config) {
  std::map<std::string, const container::Record*> donors;
  for (const std::string& entry : host_config.volumes_from) {
    const std::string donor = parse_volumes_from(entry).first;
    const ContainerPtr found = registry_.find(donor);
    // Not 404: to that the CLI's answer is to pull the image.
    if (!found) throw invalid(cat("No such container: ", donor));
    donors[donor] = &found->record;
  }
  return donors;
}

/// container:<name> becomes container:<id>, so that a rename changes nothing.
void ContainersService::resolve_container_modes(container::HostConfig& host_config) {
  for (std::string* mode : {&host_config.network_mode, &host_config.ipc_mode, &host_config.pid_mode}) {
    constexpr std::string_view kPrefix = "container:";
    if (!mode->starts_with(kPrefix)) continue;
    const std::string name = mode->substr(kPrefix.size());
    if (const ContainerPtr other = registry_.find(name)) {
      *mode = cat(kPrefix, other->id());
    } else if (mode != &host_config.network_mode) {  // there, it is the start's failure
      // Not 404: a client takes create's 404 for a missing image, and pulls.
      throw invalid(cat("No such container: ", name));
    }
  }
}

Task<void> ContainersService::make_volumes(container::Record& record) {
  std::vector<std::string> lower_dirs;
  for (container::MountPoint& mount : record.mount_points) {
    if (mount.type != "volume") continue;
    VolumeRecord wanted{.name = mount.name, .anonymous = mount.anonymous};
    for (const container::Mount& asked : record.host_config.mounts) {
      if (asked.target != mount.destination || !asked.volume_options) continue;
      wanted.labels = asked.volume_options->labels;
      if (asked.volume_options->driver_config) wanted.options = asked.volume_options->driver_config->options;
    }
    co_await parts_.volumes.prepare(std::move(wanted), mount.driver);
    parts_.volumes.add_reference(record);
    mount.driver = "local";
    mount.source = parts_.volumes.path(mount.name);
    if (mount.no_copy || !mount.subpath.empty()) continue;
    if (lower_dirs.empty()) {
      const std::string id = record.id;
      const std::vector<std::string> chain_ids = record.chain_ids;
      lower_dirs = co_await parts_.pool.run([this, id, chain_ids] { return image_dirs(id, chain_ids); });
    }
    co_await parts_.volumes.copy_up(mount.name, lower_dirs, mount.destination);
  }
}

/// The image as folders, topmost first. With vfs the container's own tree is the image still.
std::vector<std::string> ContainersService::image_dirs(const std::string& id,
                                                       const std::vector<std::string>& chain_ids) const {
  const graph::RootPaths paths = parts_.graph.container_layer(id, chain_ids);
  return paths.overlay ? paths.lower_dirs : std::vector<std::string>{paths.upper_dir};
}

Task<Created> ContainersService::create_now(std::string name, std::string platform, container::CreateRequest request) {
  check_create(request, name);
  if (name.starts_with('/')) name.erase(0, 1);
  check_platform_form(platform);
  const std::string id = random_id();
  // Taken before the first wait, so that of two clients who want the same name one is refused at once.
  NameReservation reservation{registry_, name, id};

  const std::string image_name = request.image;
  const image::ResolvedImage image = co_await parts_.pool.run([&] {
    if (!platform.empty()) {  // of a multi-platform image, perhaps another one than the name stands for
      if (auto variant = parts_.images.find_variant(image_name, platform)) return std::move(*variant);
    }
    image::ResolvedImage named = parts_.images.get(image_name);
    check_platform(named, image_name, platform);
    return named;
  });
  Created created{.id = id, .warnings = {}};
  prepare_create(request, image, options_.defaults, created.warnings);
  complete_hostname(request, id);
  resolve_container_modes(request.host_config);

  container::Record record;
  record.id = id;
  record.name = reservation.name();
  record.created = now().time_since_epoch().count();
  record.mount_points = resolve_mount_points(request, volume_donors(request.host_config));
  std::tie(record.path, record.args) = program_of(request);
  record.host_config = std::move(request.host_config);
  record.networking = std::move(request.networking_config);
  record.config = std::move(static_cast<container::Config&>(request));
  record.image_id = image.id;
  record.image_name = image_name;
  record.platform = platform.empty() ? image.os : platform.substr(0, platform.find('/'));
  record.chain_ids = image.chain_ids;
  if (record.host_config.log_config.type == "json-file") {
    record.log_path = cat(container_dir(id), "/", id, "-json.log");
  }

  std::exception_ptr failure;
  try {
    co_await make_container(record);
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) {
    co_await unmake_container(record);
    std::rethrow_exception(failure);
  }
  reservation.keep();
  const auto container = std::make_shared<Container>(parts_.loop, std::move(record));
  registry_.add(container);
  publish(*container, "create");
  co_return created;
}

/// From here on something is on disk. The row makes it a container: what has none is swept at the next start.
Task<void> ContainersService::make_container(container::Record& record) {
  // Before the layer is made, so that `rmi` can't take the image away in between; unless it just has.
  note_image_use(record);
  if (parts_.images.id_of(record.image_id).empty()) throw not_found(cat("No such image: ", record.image_id));
  co_await parts_.pool.run([&] {
    parts_.graph.create_container_layer(record.id, record.chain_ids);
    sys::make_dir(container_dir(record.id), 0710);
    if (record.host_config.log_config.type == "local") sys::make_dir(container_dir(record.id) + "/local-logs", 0700);
  });
  parts_.volumes.add_reference(record);
  co_await make_volumes(record);
  co_await parts_.store.insert(record, parts_.volumes.save_with(record));
  parts_.volumes.saved(record);
}

Task<void> ContainersService::unmake_container(container::Record record) {
  drop_image_use(record.id);
  parts_.volumes.drop_reference(record);
  try {
    co_await parts_.volumes.discard_unsaved(record);
    co_await parts_.pool.run([&] {
      parts_.graph.remove_container_layer(record.id);
      sys::remove_tree(container_dir(record.id));
    });
  } catch (const Error& error) {
    parts_.log.warn("undoing the creation of container ", record.id, ": ", error.text());
  }
}

}  // namespace berth::engine
