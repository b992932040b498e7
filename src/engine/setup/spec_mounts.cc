#include <algorithm>

#include "base/core/error.h"
#include "base/core/text.h"
#include "engine/setup/parts.h"

namespace berth::engine::setup {

namespace {

using Mounts = std::vector<oci::Mount>;

/// Docker's own mounts, in the order in which they are made.
Mounts default_mounts(const container::HostConfig& host_config) {
  Mounts mounts;
  const auto add = [&](std::string destination, std::string type, std::string source,
                       std::vector<std::string> options) {
    mounts.push_back({.destination = std::move(destination),
                      .type = std::move(type),
                      .source = std::move(source),
                      .options = std::move(options)});
  };
  add("/proc", "proc", "proc", {"nosuid", "noexec", "nodev"});
  add("/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"});
  add("/dev/pts", "devpts", "devpts", {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"});
  add("/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"});
  add("/sys/fs/cgroup", "cgroup", "cgroup", {"ro", "nosuid", "noexec", "nodev"});
  add("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"});
  if (host_config.ipc_mode != "none" && host_config.ipc_mode != "host" && !is_container_mode(host_config.ipc_mode)) {
    add("/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", cat("size=", host_config.shm_size)});
  }
  return mounts;
}

/// /dev/shm of the host or of the container whose IPC namespace is shared.
void add_shared_memory(const container::HostConfig& host_config, const SetupFacts& facts, Mounts& mounts) {
  std::string source = facts.shm_dir;
  if (source.empty() && host_config.ipc_mode == "host") source = "/dev/shm";
  if (source.empty() || host_config.ipc_mode == "none") return;
  std::erase_if(mounts, [](const oci::Mount& mount) { return mount.destination == "/dev/shm"; });
  mounts.push_back({.destination = "/dev/shm", .type = "bind", .source = source, .options = {"rbind", "rprivate"}});
}

/// The files that tell a container its name and resolvers, kept in its folder on the host.
void add_network_files(const container::Record& record, const SetupFacts& facts, Mounts& mounts) {
  if (facts.container_dir.empty()) return;
  for (const std::string name : {"resolv.conf", "hostname", "hosts"}) {
    oci::Mount mount{.destination = "/etc/" + name,
                     .type = "bind",
                     .source = facts.container_dir + "/" + name,
                     .options = {"rbind", "rprivate"}};
    if (record.host_config.readonly_rootfs) mount.options.emplace_back("ro");
    mounts.push_back(std::move(mount));
  }
}

oci::Mount user_mount(const container::MountPoint& point, const SetupFacts& facts) {
  if (point.type == "tmpfs") {
    return {.destination = point.destination,
            .type = "tmpfs",
            .source = "tmpfs",
            .options = tmpfs_options(point.tmpfs_options)};
  }
  oci::Mount mount{.destination = point.destination, .type = "bind", .source = point.source};
  if (point.type == "volume") {
    const auto path = facts.volume_paths.find(point.name);
    if (path == facts.volume_paths.end()) throw system_error(cat("get ", point.name, ": no such volume"));
    mount.source = path->second;
  }
  mount.options.emplace_back(point.non_recursive ? "bind" : "rbind");
  if (!point.rw) mount.options.emplace_back(point.read_only_non_recursive ? "ro" : "rro");
  mount.options.push_back(point.propagation.empty() ? "rprivate" : point.propagation);
  return mount;
}

void drop_option(oci::Mount& mount, std::string_view option) {
  std::erase_if(mount.options, [&](const std::string& one) { return one == option; });
}

bool stays_writable(std::string_view destination) {
  static constexpr std::string_view kPaths[] = {"/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"};
  return std::ranges::find(kPaths, destination) != std::end(kPaths);
}

std::vector<oci::Mount> user_mounts(const container::Record& record, const SetupFacts& facts) {
  Mounts mounts;
  for (const container::MountPoint& point : record.mount_points) mounts.push_back(user_mount(point, facts));
  for (const auto& [destination, data] : record.host_config.tmpfs) {
    mounts.push_back(
        {.destination = clean_path(destination), .type = "tmpfs", .source = "tmpfs", .options = tmpfs_options(data)});
  }
  return mounts;
}

}  // namespace

std::vector<oci::Mount> mounts_of(const container::Record& record, const SetupFacts& facts) {
  const container::HostConfig& host_config = record.host_config;
  Mounts own = default_mounts(host_config);
  add_shared_memory(host_config, facts, own);
  Mounts user = user_mounts(record, facts);
  const auto is_users = [&](std::string_view destination) {
    return std::ranges::find(user, destination, &oci::Mount::destination) != user.end();
  };
  const bool users_dev = is_users("/dev");
  std::erase_if(own, [&](const oci::Mount& mount) {
    return is_users(mount.destination) || (users_dev && mount.destination.starts_with("/dev/"));
  });
  const SecurityOptions security = parse_security_options(host_config, {});
  const bool writable_cgroups = security.writable_cgroups.value_or(host_config.privileged);
  for (oci::Mount& mount : own) {
    const bool wants_ro = host_config.readonly_rootfs && !stays_writable(mount.destination);
    drop_option(mount, wants_ro ? "ro" : "");
    if (wants_ro) mount.options.emplace_back("ro");
    if (host_config.privileged && mount.destination == "/sys") drop_option(mount, "ro");
    if (writable_cgroups && mount.type == "cgroup") drop_option(mount, "ro");
  }
  Mounts files;
  add_network_files(record, facts, files);
  std::erase_if(files, [&](const oci::Mount& mount) { return is_users(mount.destination); });
  user.insert(user.end(), std::make_move_iterator(files.begin()), std::make_move_iterator(files.end()));
  std::ranges::sort(user, {}, [](const oci::Mount& mount) {
    return std::pair{std::ranges::count(mount.destination, '/'), std::string_view{mount.destination}};
  });
  own.insert(own.end(), std::make_move_iterator(user.begin()), std::make_move_iterator(user.end()));
  return own;
}

}  // namespace berth::engine::setup

namespace berth::engine {

std::vector<oci::Mount> file_mounts(const container::Record& record, const SetupFacts& facts) {
  std::vector<oci::Mount> mounts = setup::mounts_of(record, facts);
  std::erase_if(mounts,
                [](const oci::Mount& mount) { return mount.type != "bind" || mount.destination == "/dev/shm"; });
  for (oci::Mount& mount : mounts) {
    std::erase_if(mount.options, [](const std::string& option) {
      return option.ends_with("private") || option.ends_with("shared") || option.ends_with("slave");
    });
    mount.options.emplace_back("rprivate");
  }
  return mounts;
}

}  // namespace berth::engine
