#include "runtime/mounts/options.h"

#include <linux/mount.h>

#include <algorithm>
#include <iterator>
#include <string_view>

namespace berth::runtime::mounts {
namespace {

struct Flag {
  std::string_view name;
  unsigned long flag;       // MS_*
  std::uint64_t attribute;  // MOUNT_ATTR_*
  bool clear;
};

// MOUNT_ATTR__ATIME is a field, not bits: changing it means to clear all of it first.
constexpr Flag kFlags[] = {
    {"ro", MS_RDONLY, MOUNT_ATTR_RDONLY, false},
    {"rw", MS_RDONLY, MOUNT_ATTR_RDONLY, true},
    {"nosuid", MS_NOSUID, MOUNT_ATTR_NOSUID, false},
    {"suid", MS_NOSUID, MOUNT_ATTR_NOSUID, true},
    {"nodev", MS_NODEV, MOUNT_ATTR_NODEV, false},
    {"dev", MS_NODEV, MOUNT_ATTR_NODEV, true},
    {"noexec", MS_NOEXEC, MOUNT_ATTR_NOEXEC, false},
    {"exec", MS_NOEXEC, MOUNT_ATTR_NOEXEC, true},
    {"noatime", MS_NOATIME, MOUNT_ATTR_NOATIME, false},
    {"atime", MS_NOATIME, MOUNT_ATTR_NOATIME, true},
    {"relatime", MS_RELATIME, MOUNT_ATTR_RELATIME, false},
    {"norelatime", MS_RELATIME, MOUNT_ATTR_RELATIME, true},
    {"strictatime", MS_STRICTATIME, MOUNT_ATTR_STRICTATIME, false},
    {"nostrictatime", MS_STRICTATIME, MOUNT_ATTR_STRICTATIME, true},
    {"nodiratime", MS_NODIRATIME, MOUNT_ATTR_NODIRATIME, false},
    {"diratime", MS_NODIRATIME, MOUNT_ATTR_NODIRATIME, true},
    {"nosymfollow", 0, MOUNT_ATTR_NOSYMFOLLOW, false},
    {"symfollow", 0, MOUNT_ATTR_NOSYMFOLLOW, true},
    {"sync", MS_SYNCHRONOUS, 0, false},
    {"async", MS_SYNCHRONOUS, 0, true},
    {"dirsync", MS_DIRSYNC, 0, false},
    {"mand", MS_MANDLOCK, 0, false},
    {"nomand", MS_MANDLOCK, 0, true},
    {"silent", MS_SILENT, 0, false},
    {"loud", MS_SILENT, 0, true},
    {"iversion", MS_I_VERSION, 0, false},
    {"noiversion", MS_I_VERSION, 0, true},
    {"lazytime", MS_LAZYTIME, 0, false},
    {"nolazytime", MS_LAZYTIME, 0, true},
};

struct Propagation {
  std::string_view name;
  unsigned long flag;
};
constexpr Propagation kPropagations[] = {
    {"shared", MS_SHARED}, {"slave", MS_SLAVE}, {"private", MS_PRIVATE}, {"unbindable", MS_UNBINDABLE}};

bool is_time_flag(std::uint64_t attribute) {
  return attribute == MOUNT_ATTR_NOATIME || attribute == MOUNT_ATTR_STRICTATIME;
}

const Flag* find_flag(std::string_view name) {
  const auto* at = std::ranges::find(kFlags, name, &Flag::name);
  return at == std::end(kFlags) ? nullptr : at;
}

void apply(const Flag& flag, unsigned long* flags, std::uint64_t& set, std::uint64_t& clear) {
  if (flags != nullptr) *flags = flag.clear ? *flags & ~flag.flag : *flags | flag.flag;
  if (is_time_flag(flag.attribute) || flag.name == "relatime") {
    if (flag.clear) return;
    clear |= MOUNT_ATTR__ATIME;
    set = (set & ~static_cast<std::uint64_t>(MOUNT_ATTR__ATIME)) | flag.attribute;
  } else if (flag.clear) {
    clear |= flag.attribute;
    set &= ~flag.attribute;
  } else {
    set |= flag.attribute;
    clear &= ~flag.attribute;
  }
}

bool take_propagation(std::string_view name, Options& out) {
  const bool recursive = name.starts_with('r') && name.size() > 1;
  for (const Propagation& known : kPropagations) {
    if (name == known.name || (recursive && name.substr(1) == known.name)) {
      out.propagation = known.flag;
      out.recursive_propagation = name != known.name;
      return true;
    }
  }
  return false;
}

}  // namespace

Options parse_options(const std::vector<std::string>& options) {
  Options out;
  for (const std::string& option : options) {
    const std::string_view name = option;
    if (name.empty() || name == "defaults") continue;
    if (name == "bind" || name == "rbind") {
      out.bind = true;
      out.recursive_bind = out.recursive_bind || name == "rbind";
    } else if (name == "tmpcopyup") {
      out.tmpcopyup = true;
    } else if (take_propagation(name, out)) {
    } else if (const Flag* flag = find_flag(name)) {
      apply(*flag, &out.flags, out.set, out.clear);
    } else if (const Flag* recursive = name.starts_with('r') ? find_flag(name.substr(1)) : nullptr) {
      apply(*recursive, nullptr, out.recursive_set, out.recursive_clear);
    } else {
      if (!out.data.empty()) out.data += ',';
      out.data += name;
    }
  }
  return out;
}

}  // namespace berth::runtime::mounts
