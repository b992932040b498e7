#include <algorithm>
#include <array>
#include <cstdint>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"
#include "engine/setup/parts.h"

namespace berth::engine::setup {

namespace {

/// By number, as in linux/capability.h.
constexpr std::array<std::string_view, 41> kNames{"CHOWN",
                                                  "DAC_OVERRIDE",
                                                  "DAC_READ_SEARCH",
                                                  "FOWNER",
                                                  "FSETID",
                                                  "KILL",
                                                  "SETGID",
                                                  "SETUID",
                                                  "SETPCAP",
                                                  "LINUX_IMMUTABLE",
                                                  "NET_BIND_SERVICE",
                                                  "NET_BROADCAST",
                                                  "NET_ADMIN",
                                                  "NET_RAW",
                                                  "IPC_LOCK",
                                                  "IPC_OWNER",
                                                  "SYS_MODULE",
                                                  "SYS_RAWIO",
                                                  "SYS_CHROOT",
                                                  "SYS_PTRACE",
                                                  "SYS_PACCT",
                                                  "SYS_ADMIN",
                                                  "SYS_BOOT",
                                                  "SYS_NICE",
                                                  "SYS_RESOURCE",
                                                  "SYS_TIME",
                                                  "SYS_TTY_CONFIG",
                                                  "MKNOD",
                                                  "LEASE",
                                                  "AUDIT_WRITE",
                                                  "AUDIT_CONTROL",
                                                  "SETFCAP",
                                                  "MAC_OVERRIDE",
                                                  "MAC_ADMIN",
                                                  "SYSLOG",
                                                  "WAKE_ALARM",
                                                  "BLOCK_SUSPEND",
                                                  "AUDIT_READ",
                                                  "PERFMON",
                                                  "BPF",
                                                  "CHECKPOINT_RESTORE"};

/// Docker's default set.
constexpr std::array<std::string_view, 14> kDefaults{
    "CAP_CHOWN",   "CAP_DAC_OVERRIDE", "CAP_FSETID",           "CAP_FOWNER",
    "CAP_MKNOD",   "CAP_NET_RAW",      "CAP_SETGID",           "CAP_SETUID",
    "CAP_SETFCAP", "CAP_SETPCAP",      "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT",
    "CAP_KILL",    "CAP_AUDIT_WRITE"};

/// The effective set in /proc/self/status; all bits when it cannot be read, so that the kernel decides.
std::uint64_t own_capabilities() {
  const std::string status = sys::read_file_if_exists("/proc/self/status").value_or("");
  const std::size_t at = status.find("CapEff:");
  if (at == std::string::npos) return ~std::uint64_t{0};
  const std::string_view line = std::string_view{status}.substr(at + 7, status.find('\n', at) - at - 7);
  return parse_number<std::uint64_t>(trim(line), 16).value_or(~std::uint64_t{0});
}

bool contains(const std::vector<std::string>& list, std::string_view name) {
  return std::ranges::find(list, name) != list.end();
}

/// "net_admin" to "CAP_NET_ADMIN"; "all" to "ALL".
std::string normalize(std::string_view name) {
  std::string upper{name};
  for (char& c : upper) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return upper == "ALL" || upper.starts_with("CAP_") ? upper : "CAP_" + upper;
}

std::vector<std::string> normalize(const std::vector<std::string>& names, std::string_view option) {
  std::vector<std::string> out;
  for (const std::string& given : names) {
    std::string name = normalize(given);
    if (name != "ALL") {
      if (std::ranges::find(kNames, std::string_view{name}.substr(4)) == kNames.end()) {
        throw invalid(cat("invalid ", option, ": unknown capability: ", quoted(name)));
      }
      if (option == "CapAdd" && !contains(available_capabilities(), name)) {
        throw invalid(cat(
            "invalid ", option,
            ": capability not supported by your kernel or not available in the current environment: ", quoted(name)));
      }
    }
    out.push_back(std::move(name));
  }
  return out;
}

}  // namespace

const std::vector<std::string>& available_capabilities() {
  static const std::vector<std::string> kAvailable = [] {
    const std::uint64_t own = own_capabilities();
    std::vector<std::string> names;
    for (std::size_t number = 0; number < kNames.size(); ++number) {
      if ((own >> number & 1) != 0) names.push_back(cat("CAP_", kNames[number]));
    }
    return names;
  }();
  return kAvailable;
}

void check_capabilities(const container::HostConfig& host_config) {
  normalize(host_config.cap_add, "CapAdd");
  normalize(host_config.cap_drop, "CapDrop");
}

std::vector<std::string> capabilities_of(const container::HostConfig& host_config) {
  const std::vector<std::string>& available = available_capabilities();
  if (host_config.privileged) return available;
  const std::vector<std::string> add = normalize(host_config.cap_add, "CapAdd");
  const std::vector<std::string> drop = normalize(host_config.cap_drop, "CapDrop");
  // A daemon that lacks some of the default set itself can still run containers without them.
  std::vector<std::string> wanted;
  const auto take = [&](std::string_view name) {
    if (!contains(wanted, name) && contains(available, name)) wanted.emplace_back(name);
  };
  if (contains(add, "ALL")) {
    for (const std::string& name : available) {
      if (!contains(drop, name)) take(name);
    }
    return wanted;
  }
  if (!contains(drop, "ALL")) {
    for (const std::string_view name : kDefaults) {
      if (!contains(drop, name)) take(name);
    }
  }
  for (const std::string& name : add) take(name);
  return wanted;
}

}  // namespace berth::engine::setup
