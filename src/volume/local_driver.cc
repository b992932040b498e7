#include "volume/local_driver.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <algorithm>
#include <set>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"
#include "volume/copy_up.h"

namespace berth::volume {
namespace {

bool is_word(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

std::string option(const Options& options, const std::string& name) {
  const auto found = options.find(name);
  return found == options.end() ? std::string{} : found->second;
}

struct FlagName {
  std::string_view name;
  unsigned long set, clear;
};
constexpr FlagName kFlags[] = {
    {"defaults", 0, 0},
    {"ro", MS_RDONLY, 0},
    {"rw", 0, MS_RDONLY},
    {"bind", MS_BIND, 0},
    {"rbind", MS_BIND | MS_REC, 0},
    {"noexec", MS_NOEXEC, 0},
    {"exec", 0, MS_NOEXEC},
    {"nosuid", MS_NOSUID, 0},
    {"suid", 0, MS_NOSUID},
    {"nodev", MS_NODEV, 0},
    {"dev", 0, MS_NODEV},
    {"noatime", MS_NOATIME, 0},
    {"atime", 0, MS_NOATIME},
    {"nodiratime", MS_NODIRATIME, 0},
    {"relatime", MS_RELATIME, 0},
    {"sync", MS_SYNCHRONOUS, 0},
};

struct MountRequest {
  std::string type, device, data;
  unsigned long flags = 0;
};

/// `o` in mount(8)'s form: names of flags are taken out, the rest is the file system's own data.
MountRequest mount_request(const Options& options) {
  MountRequest request{.type = option(options, "type"), .device = option(options, "device"), .data = {}};
  for (const std::string& word : split(option(options, "o"), ',')) {
    const auto flag = std::ranges::find(kFlags, std::string_view{word}, &FlagName::name);
    if (flag != std::end(kFlags)) {
      request.flags = (request.flags | flag->set) & ~flag->clear;
    } else if (!word.empty()) {
      request.data += cat(request.data.empty() ? "" : ",", word);
    }
  }
  return request;
}

/// Comparing device numbers would miss a bind of the same disk.
bool is_mounted(const std::string& dir) {
  struct statx info{};
  if (::statx(AT_FDCWD, dir.c_str(), AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, 0, &info) != 0) return false;
  return (info.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

}  // namespace

LocalDriver::LocalDriver(std::string root) : root_(std::move(root)) { sys::ensure_dir(root_, 0711); }

void LocalDriver::check(const std::string& name, const Options& options) {
  if (name.size() == 1) {
    throw invalid(
        cat("create ", name, ": volume name is too short, names should be at least two alphanumeric characters"));
  }
  const bool good = !name.empty() && is_word(name.front()) &&
                    std::ranges::all_of(name, [](char c) { return is_word(c) || c == '_' || c == '.' || c == '-'; });
  if (!good) {
    throw invalid(cat("create ", name, ": \"", name,
                      "\" includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are "
                      "allowed. If you intended to pass a host directory, use absolute path"));
  }
  static const std::set<std::string_view> kKnown{"type", "o", "device", "size"};
  for (const auto& [key, value] : options) {
    if (!kKnown.contains(key)) throw invalid(cat("create ", name, ": invalid option: \"", key, "\""));
  }
  if (options.contains("size"))
    throw not_implemented("the volume option \"size\" needs quotas, which are not there yet");
  if (!needs_mount(options)) return;
  if (option(options, "device").empty()) throw invalid(cat("create ", name, ": missing required option: \"device\""));
  const std::string type = option(options, "type");
  const MountRequest request = mount_request(options);
  if (type.empty() && (request.flags & MS_BIND) == 0) {
    throw invalid(cat("create ", name, ": missing required option: \"type\""));
  }
  if (type.starts_with("nfs") || type == "cifs") {
    throw not_implemented(cat("volumes of type \"", type, "\" are not there yet"));
  }
}

bool LocalDriver::needs_mount(const Options& options) {
  return options.contains("type") || options.contains("device") || options.contains("o");
}

std::string LocalDriver::data_dir(const std::string& name) const { return cat(root_, "/", name, "/_data"); }

void LocalDriver::make(const std::string& name) const {
  sys::ensure_dir(cat(root_, "/", name), 0701);
  sys::ensure_dir(data_dir(name), 0755);
}

void LocalDriver::remove(const std::string& name) const {
  unmount(name);
  sys::remove_tree(cat(root_, "/", name));
}

std::uint64_t LocalDriver::size(const std::string& name) const { return sys::disk_usage(data_dir(name)); }

std::vector<std::string> LocalDriver::list() const { return sys::list_dir(root_); }

void LocalDriver::mount(const std::string& name, const Options& options) const {
  const std::string dir = data_dir(name);
  if (is_mounted(dir)) return;
  const MountRequest request = mount_request(options);
  if (::mount(request.device.c_str(), dir.c_str(), request.type.c_str(), request.flags, request.data.c_str()) != 0) {
    Error error = errno_error("mount", request.device);
    error.during(cat("error while mounting volume '", dir, "': failed to mount local volume"));
    throw error;
  }
  // A bind takes its other flags only when it is mounted anew.
  constexpr unsigned long kOfBind = MS_BIND | MS_REC;
  if ((request.flags & MS_BIND) != 0 && (request.flags & ~kOfBind) != 0 &&
      ::mount("", dir.c_str(), "", MS_REMOUNT | MS_BIND | (request.flags & ~MS_REC), nullptr) != 0) {
    const Error error = errno_error("remount", dir);
    ::umount2(dir.c_str(), MNT_DETACH);
    throw error;
  }
}

void LocalDriver::unmount(const std::string& name) const {
  const std::string dir = data_dir(name);
  // EINVAL: nothing is mounted there.
  if (::umount2(dir.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0 && errno != EINVAL && errno != ENOENT) {
    throw errno_error("umount", dir);
  }
}

void LocalDriver::copy_up(const std::string& name, const std::vector<std::string>& lower_dirs,
                          const std::string& path) const {
  volume::copy_up(lower_dirs, path, data_dir(name));
}

}  // namespace berth::volume
