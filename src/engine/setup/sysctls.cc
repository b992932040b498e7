#include <algorithm>
#include <set>

#include "base/core/error.h"
#include "base/core/text.h"
#include "engine/setup/parts.h"

namespace berth::engine::setup {

namespace {

bool is_ipc(std::string_view name) {
  static const std::set<std::string_view> kNames{"kernel.msgmax", "kernel.msgmnb",         "kernel.msgmni",
                                                 "kernel.sem",    "kernel.shmall",         "kernel.shmmax",
                                                 "kernel.shmmni", "kernel.shm_rmid_forced"};
  return kNames.contains(name) || name.starts_with("fs.mqueue.");
}

/// sysctl's names have dots; an interface's own dot is written as "/".
bool is_name(std::string_view name) {
  return !name.empty() && name.find("..") == std::string_view::npos &&
         std::ranges::all_of(name,
                             [](char c) {
                               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                                      c == '.' || c == '_' || c == '-' || c == '/' || c == '@' || c == ':';
                             }) &&
         name.find("../") == std::string_view::npos && name.find("/..") == std::string_view::npos;
}

}  // namespace

void check_sysctls(const container::HostConfig& host_config) {
  for (const auto& [name, value] : host_config.sysctls) {
    if (is_name(name) && is_ipc(name)) {
      if (host_config.ipc_mode != "host") continue;
      throw invalid(cat("sysctl ", quoted(name), " not allowed in host ipc namespace"));
    }
    if (is_name(name) && name.starts_with("net.")) {
      if (host_config.network_mode != "host") continue;
      throw invalid(cat("sysctl ", quoted(name), " not allowed in host network namespace"));
    }
    if (name == "kernel.domainname" && host_config.uts_mode != "host") continue;
    throw invalid(cat("sysctl ", quoted(name), " is not in a separate kernel namespace"));
  }
}

}  // namespace berth::engine::setup
