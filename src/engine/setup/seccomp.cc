#include "base/core/error.h"
#include "base/sys/file.h"
#include "engine/setup/parts.h"
#include "runtime/seccomp/cache.h"

namespace berth::engine {

namespace {

/// The profile's JSON, "" for the default one, nullopt for no filter.
std::optional<std::string> profile_for(const container::Record& record, const SetupDefaults& defaults) {
  const std::string asked = setup::parse_security_options(record.host_config, defaults).seccomp;
  if (asked == "unconfined") return std::nullopt;
  if (asked == "builtin") return "";
  if (!asked.empty()) return asked;
  if (record.host_config.privileged || defaults.seccomp_profile == "unconfined") return std::nullopt;
  if (defaults.seccomp_profile.empty() || defaults.seccomp_profile == "builtin") return "";
  return sys::read_file(defaults.seccomp_profile, 4 << 20);
}

std::string compiled(const std::string& profile, const SetupDefaults& defaults,
                     const std::vector<std::string>& capabilities) {
  if (defaults.seccomp_cache) return defaults.seccomp_cache->program(profile, capabilities);
  return runtime::seccomp::Cache{""}.program(profile, capabilities);
}

}  // namespace

std::string seccomp_program(const container::Record& record, const SetupDefaults& defaults, const oci::Spec& spec) {
  const std::optional<std::string> profile = profile_for(record, defaults);
  if (!profile) return "";
  return compiled(*profile, defaults,
                  spec.process.capabilities ? spec.process.capabilities->bounding : std::vector<std::string>{});
}

void warm_seccomp(const SetupDefaults& defaults) {
  const container::Record record;
  if (const auto profile = profile_for(record, defaults)) {
    compiled(*profile, defaults, setup::capabilities_of(record.host_config));
  }
}

}  // namespace berth::engine
