#include <arpa/inet.h>

#include <algorithm>

#include "base/core/error.h"
#include "base/core/text.h"
#include "container/ports.h"
#include "container/restart_policy.h"
#include "container/signals.h"
#include "engine/setup/parts.h"
#include "runtime/seccomp/profile.h"

namespace berth::engine {

namespace {

constexpr std::size_t kHostnameLimit = 64;               ///< HOST_NAME_MAX
constexpr std::int64_t kShortestHealthTime = 1'000'000;  ///< nanoseconds

bool is_alnum(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool is_ip(const std::string& text) {
  in6_addr address{};
  return ::inet_pton(AF_INET, text.c_str(), &address) == 1 || ::inet_pton(AF_INET6, text.c_str(), &address) == 1;
}

void check_name(std::string_view name) {
  if (name.empty()) return;
  std::string_view bare = name;
  if (bare.starts_with('/')) bare.remove_prefix(1);
  const bool good = bare.size() >= 2 && is_alnum(bare.front()) &&
                    std::ranges::all_of(bare, [](char c) { return is_alnum(c) || c == '_' || c == '.' || c == '-'; });
  if (!good) {
    throw invalid(cat("Invalid container name (", name, "), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"));
  }
}

void check_health(const container::HealthConfig& health) {
  const auto check = [](std::int64_t nanoseconds, std::string_view name) {
    if (nanoseconds != 0 && nanoseconds < kShortestHealthTime) {
      throw invalid(cat(name, " in Healthcheck cannot be less than 1ms"));
    }
  };
  check(health.interval, "Interval");
  check(health.timeout, "Timeout");
  if (health.retries < 0) throw invalid("Retries in Healthcheck cannot be negative");
  check(health.start_period, "StartPeriod");
  check(health.start_interval, "StartInterval");
}

void check_config(const container::Config& config) {
  if (!config.working_dir.empty() && config.working_dir.front() != '/') {
    throw invalid(cat("the working directory '", config.working_dir, "' is invalid, it needs to be an absolute path"));
  }
  if (!config.stop_signal.empty()) container::parse_signal(config.stop_signal);
  for (const std::string& entry : config.env) {
    if (entry.empty() || entry.front() == '=') throw invalid("invalid environment variable: " + entry);
    if (entry.find('\0') != std::string::npos) throw invalid("invalid environment variable: " + quoted(entry));
  }
  if (config.healthcheck) check_health(*config.healthcheck);
  if (config.hostname.size() > kHostnameLimit) {
    throw invalid(cat("hostname ", quoted(config.hostname), " is too long (maximum 64 bytes)"));
  }
  if (config.domainname.size() > kHostnameLimit) {
    throw invalid(cat("domainname ", quoted(config.domainname), " is too long (maximum 64 bytes)"));
  }
  for (const auto& [port, nothing] : config.exposed_ports) container::parse_port(port);
}

void check_extra_host(const std::string& entry) {
  // An IPv6 address has colons of its own, so the name ends at the first separator.
  const std::size_t at = entry.find_first_of(":=");
  if (at == std::string::npos || at == 0 || at + 1 == entry.size()) {
    throw invalid(cat("bad format for add-host: ", quoted(entry)));
  }
  std::string address = entry.substr(at + 1);
  if (address == "host-gateway") return;
  if (address.front() == '[' && address.back() == ']') address = address.substr(1, address.size() - 2);
  if (!is_ip(address)) throw invalid(cat("invalid IP address in add-host: ", quoted(entry.substr(at + 1))));
}

void check_ports(const container::PortMap& ports) {
  for (const auto& [port, bindings] : ports) {
    container::parse_port(port);
    for (const container::PortBinding& binding : bindings) {
      container::parse_port_range(binding.host_port);
      if (!binding.host_ip.empty() && !is_ip(binding.host_ip)) throw invalid("invalid IP address: " + binding.host_ip);
    }
  }
}

std::string capability_lists(const std::vector<std::vector<std::string>>& lists) {
  std::vector<std::string> shown;
  for (const std::vector<std::string>& list : lists) shown.push_back(cat("[", join(list, " "), "]"));
  return cat("[", join(shown, " "), "]");
}

void check_host_config(const container::HostConfig& host_config) {
  const bool restarts = !host_config.restart_policy.name.empty() && host_config.restart_policy.name != "no";
  if (host_config.auto_remove && restarts) throw invalid("can't create 'AutoRemove' container with restart policy");
  for (const std::string& entry : host_config.extra_hosts) check_extra_host(entry);
  check_ports(host_config.port_bindings);
  container::check_restart_policy(host_config.restart_policy);
  setup::check_capabilities(host_config);
  for (const auto& [key, value] : host_config.annotations) {
    if (key.empty()) throw invalid("invalid Annotations: the empty string is not permitted as an annotation key");
  }
  if (host_config.shm_size < 0) throw invalid("SHM size can not be less than 0");
  if (host_config.oom_score_adj < -1000 || host_config.oom_score_adj > 1000) {
    throw invalid(cat("Invalid value ", host_config.oom_score_adj, ", range for oom score adj is [-1000, 1000]"));
  }
  for (const std::string& server : host_config.dns) {
    if (!is_ip(server)) throw invalid(cat("invalid IP address: ", server));
  }
  for (const auto& [key, value] : host_config.storage_opt) {
    if (!iequals(key, "size")) throw invalid(cat("Unknown option ", key));
    throw invalid("--storage-opt is supported only for overlay over xfs with 'pquota' mount option");
  }
  setup::check_ulimits(host_config.ulimits);
  setup::check_devices(host_config);
  setup::check_sysctls(host_config);
  setup::check_log(host_config.log_config);
  const std::string seccomp = setup::parse_security_options(host_config, {}).seccomp;
  if (!seccomp.empty() && seccomp != "unconfined" && seccomp != "builtin") runtime::seccomp::parse_profile(seccomp);
  for (const container::DeviceRequest& request : host_config.device_requests) {
    throw system_error(cat("could not select device driver ", quoted(request.driver),
                           " with capabilities: ", capability_lists(request.capabilities)));
  }
}

void check_mounts(const container::HostConfig& host_config) {
  for (const std::string& bind : host_config.binds) setup::parse_bind(bind, host_config.volume_driver);
  for (const container::Mount& mount : host_config.mounts) setup::parse_mount(mount);
  for (const std::string& spec : host_config.volumes_from) parse_volumes_from(spec);
  for (const auto& [destination, data] : host_config.tmpfs) {
    setup::check_tmpfs_destination(destination);
    setup::tmpfs_options(data);
  }
}

}  // namespace

void check_create(const container::CreateRequest& request, const std::string& name) {
  check_name(name);
  check_config(request);
  check_host_config(request.host_config);
  check_mounts(request.host_config);
  setup::check_modes(request);
}

}  // namespace berth::engine
