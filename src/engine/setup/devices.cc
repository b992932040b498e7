#include <sys/sysmacros.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"
#include "engine/setup/parts.h"

namespace berth::engine::setup {

namespace {

bool is_access(std::string_view text) {
  if (text.empty() || text.size() > 3) return false;
  return std::ranges::all_of(text, [](char c) { return c == 'r' || c == 'w' || c == 'm'; });
}

std::optional<oci::Device> device_at(const std::string& host_path, const std::string& path) {
  const std::optional<struct stat> status = sys::stat_if_exists(host_path);
  if (!status || !(S_ISCHR(status->st_mode) || S_ISBLK(status->st_mode))) return std::nullopt;
  return oci::Device{.type = S_ISCHR(status->st_mode) ? "c" : "b",
                     .path = path,
                     .major = static_cast<std::int64_t>(major(status->st_rdev)),
                     .minor = static_cast<std::int64_t>(minor(status->st_rdev)),
                     .file_mode = status->st_mode & 07777,
                     .uid = status->st_uid,
                     .gid = status->st_gid};
}

bool is_folder(const std::string& path) {
  const std::optional<struct stat> status = sys::stat_if_exists(path);
  return status && S_ISDIR(status->st_mode);
}

bool is_symlink(const std::string& path) {
  struct stat status{};
  return ::lstat(path.c_str(), &status) == 0 && S_ISLNK(status.st_mode);
}

/// Folders of /dev that are a container's own, and nodes that its terminal is.
bool is_private(const std::string& name) {
  static constexpr std::string_view kOwn[] = {"pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev"};
  return std::ranges::find(kOwn, name) != std::end(kOwn);
}

/// Every device node below `host_folder`, symlinks not followed.
void collect(const std::string& host_folder, const std::string& folder, std::vector<oci::Device>& out) {
  std::vector<std::string> names = sys::list_dir(host_folder);
  std::ranges::sort(names);
  for (const std::string& name : names) {
    const std::string host_path = host_folder + "/" + name;
    if (is_symlink(host_path)) continue;
    if (is_folder(host_path)) {
      if (!is_private(name)) collect(host_path, folder + "/" + name, out);
    } else if (name != "console" && name != "ptmx") {
      if (auto device = device_at(host_path, folder + "/" + name)) out.push_back(std::move(*device));
    }
  }
}

/// --device: a node, or every node below a folder.
std::vector<oci::Device> mapped(const container::DeviceMapping& mapping) {
  const std::unique_ptr<char, decltype(&std::free)> resolved{::realpath(mapping.path_on_host.c_str(), nullptr),
                                                             &std::free};
  const int error_number = resolved ? 0 : errno;
  std::vector<oci::Device> out;
  if (resolved) {
    if (auto device = device_at(resolved.get(), mapping.path_in_container)) return {std::move(*device)};
    if (is_folder(resolved.get())) collect(resolved.get(), mapping.path_in_container, out);
  }
  if (out.empty()) {
    throw system_error(cat("error gathering device information while adding custom device ",
                           quoted(mapping.path_on_host), ": ",
                           error_number != 0 ? to_lower(std::strerror(error_number)) : "not a device node"));
  }
  return out;
}

oci::DeviceRule allow(std::string type, std::optional<std::int64_t> major_number,
                      std::optional<std::int64_t> minor_number, std::string access) {
  return {.allow = true,
          .type = std::move(type),
          .major = major_number,
          .minor = minor_number,
          .access = std::move(access)};
}

/// Docker's and runc's together: nodes may be made of any device, but used only those of a plain /dev.
std::vector<oci::DeviceRule> default_rules() {
  return {{.allow = false, .type = "a", .major = {}, .minor = {}, .access = "rwm"},
          allow("c", {}, {}, "m"),
          allow("b", {}, {}, "m"),
          allow("c", 1, 3, "rwm"),      // null
          allow("c", 1, 5, "rwm"),      // zero
          allow("c", 1, 7, "rwm"),      // full
          allow("c", 1, 8, "rwm"),      // random
          allow("c", 1, 9, "rwm"),      // urandom
          allow("c", 5, 0, "rwm"),      // tty
          allow("c", 5, 1, "rwm"),      // console
          allow("c", 5, 2, "rwm"),      // ptmx
          allow("c", 136, {}, "rwm")};  // pts/*
}

}  // namespace

oci::DeviceRule parse_device_rule(const std::string& text) {
  const Error bad = invalid(cat("invalid device cgroup rule format: '", text, "'"));
  const std::vector<std::string> words = split(text, ' ');
  if (words.size() != 3 || (words[0] != "a" && words[0] != "b" && words[0] != "c") || !is_access(words[2])) throw bad;
  const std::vector<std::string> numbers = split(words[1], ':');
  if (numbers.size() != 2) throw bad;
  const auto number = [&](const std::string& digits) -> std::optional<std::int64_t> {
    if (digits == "*") return std::nullopt;
    const auto value = parse_number<std::uint32_t>(digits);
    if (!value) throw bad;
    return *value;
  };
  return allow(words[0], number(numbers[0]), number(numbers[1]), words[2]);
}

void check_devices(const container::HostConfig& host_config) {
  for (const container::DeviceMapping& mapping : host_config.devices) {
    if (!mapping.path_on_host.starts_with('/')) throw invalid(cat(mapping.path_on_host, " is not an absolute path"));
    if (!mapping.cgroup_permissions.empty() && !is_access(mapping.cgroup_permissions)) {
      throw invalid(cat("invalid device mode: ", mapping.cgroup_permissions));
    }
  }
  for (const std::string& rule : host_config.device_cgroup_rules) parse_device_rule(rule);
}

Devices devices_of(const container::HostConfig& host_config) {
  Devices devices;
  if (host_config.privileged) {
    collect("/dev", "/dev", devices.nodes);
    devices.rules = {{.allow = true, .type = "a", .major = {}, .minor = {}, .access = "rwm"}};
  } else {
    devices.rules = default_rules();
  }
  for (container::DeviceMapping mapping : host_config.devices) {
    if (mapping.path_in_container.empty()) mapping.path_in_container = mapping.path_on_host;
    if (mapping.cgroup_permissions.empty()) mapping.cgroup_permissions = "rwm";
    if (host_config.privileged && mapping.path_on_host == mapping.path_in_container) continue;  // is there already
    for (oci::Device& device : mapped(mapping)) {
      if (!host_config.privileged) {
        devices.rules.push_back(allow(device.type, device.major, device.minor, mapping.cgroup_permissions));
      }
      devices.nodes.push_back(std::move(device));
    }
  }
  if (!host_config.privileged) {
    for (const std::string& rule : host_config.device_cgroup_rules) devices.rules.push_back(parse_device_rule(rule));
  }
  return devices;
}

}  // namespace berth::engine::setup
