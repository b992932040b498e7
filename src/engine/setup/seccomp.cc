#include "base/core/error.h"
#include "base/sys/file.h"
#include "engine/setup/parts.h"
#include "runtime/seccomp/cache.h"

namespace berth::engine {

namespace {

/// The profile's JSON, "" for the default one, nullopt for no filter.
std::optional<std::string> profile_for(const container::HostConfig& host_config, const SetupDefaults& defaults) {
  const std::string asked = setup::parse_security_options(host_config, defaults).seccomp;
  if (asked == "unconfined") return std::nullopt;
  if (asked == "builtin") return "";
  if (!asked.empty()) return asked;
  if (host_config.privileged || defaults.seccomp_profile == "unconfined") return std::nullopt;
  if (defaults.seccomp_profile.empty() || defaults.seccomp_profile == "builtin") return "";
  return sys::read_file(defaults.seccomp_profile, 4 << 20);
}

std::string compiled(const std::string& profile, const SetupDefaults& defaults,
                     const std::vector<std::string>& capabilities) {
  if (defaults.seccomp_cache) return defaults.seccomp_cache->program(profile, capabilities);
  return runtime::seccomp::Cache{""}.program(profile, capabilities);
}

}  // namespace

std::string seccomp_program(const container::HostConfig& host_config, const SetupDefaults& defaults) {
  const std::optional<std::string> profile = profile_for(host_config, defaults);
  return profile ? compiled(*profile, defaults, setup::capabilities_of(host_config)) : "";
}

void warm_seccomp(const SetupDefaults& defaults) { (void)seccomp_program(container::HostConfig{}, defaults); }

}  // namespace berth::engine
