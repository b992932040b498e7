#include <algorithm>
#include <limits>

#include "base/core/error.h"
#include "base/core/text.h"
#include "container/health.h"
#include "engine/setup/parts.h"

namespace berth::engine {

namespace {

std::string_view key_of(std::string_view entry) { return entry.substr(0, entry.find('=')); }

}  // namespace

void merge_config(container::Config& config, const oci::ContainerConfig& image) {
  if (config.user.empty()) config.user = image.user;
  config.exposed_ports.insert(image.exposed_ports.begin(), image.exposed_ports.end());
  const std::vector<std::string> given = config.env;
  for (const std::string& entry : image.env) {
    const bool replaced =
        std::ranges::any_of(given, [&](const std::string& own) { return key_of(own) == key_of(entry); });
    if (!replaced) config.env.push_back(entry);
  }
  config.labels.insert(image.labels.begin(), image.labels.end());
  if (config.entrypoint.empty()) {
    if (config.cmd.empty()) config.cmd = image.cmd;
    // An entrypoint given as empty takes the image's away.
    if (!config.entrypoint.given) config.entrypoint = image.entrypoint;
  }
  if (!config.healthcheck) {
    config.healthcheck = image.healthcheck;
  } else if (image.healthcheck) {
    container::HealthConfig& own = *config.healthcheck;
    if (own.test.empty()) own.test = image.healthcheck->test;
    if (own.interval == 0) own.interval = image.healthcheck->interval;
    if (own.timeout == 0) own.timeout = image.healthcheck->timeout;
    if (own.start_period == 0) own.start_period = image.healthcheck->start_period;
    if (own.start_interval == 0) own.start_interval = image.healthcheck->start_interval;
    if (own.retries == 0) own.retries = image.healthcheck->retries;
  }
  if (config.working_dir.empty()) config.working_dir = image.working_dir;
  config.volumes.insert(image.volumes.begin(), image.volumes.end());
  if (config.stop_signal.empty()) config.stop_signal = image.stop_signal;
  if (config.shell.empty()) config.shell = image.shell;
}

namespace {

void default_modes(container::HostConfig& host_config, const SetupDefaults& defaults) {
  if (host_config.network_mode.empty() || host_config.network_mode == "default") host_config.network_mode = "bridge";
  if (host_config.ipc_mode.empty()) host_config.ipc_mode = defaults.ipc_mode;
  if (host_config.cgroupns_mode.empty()) {
    const bool shares = host_config.privileged && !defaults.host.cgroup_v2;
    host_config.cgroupns_mode = shares ? "host" : defaults.cgroupns_mode;
  }
}

void default_security(container::HostConfig& host_config) {
  const bool has_label = std::ranges::any_of(host_config.security_opt,
                                             [](const std::string& option) { return option.starts_with("label"); });
  if (!has_label && (host_config.ipc_mode == "host" || host_config.pid_mode == "host" || host_config.privileged)) {
    host_config.security_opt.emplace_back("label=disable");
  }
  if (setup::parse_security_options(host_config, {}).unconfined_system_paths) {
    host_config.masked_paths.emplace();
    host_config.readonly_paths.emplace();
  }
  // Seventeen strings less for each of thousands of containers: see add_default_paths.
  if (host_config.masked_paths == setup::default_masked_paths()) host_config.masked_paths.reset();
  if (host_config.readonly_paths == setup::default_readonly_paths()) host_config.readonly_paths.reset();
}

void default_limits(container::HostConfig& host_config, const SetupDefaults& defaults) {
  if (host_config.memory > 0 && host_config.memory_swap == 0) {
    const bool fits = host_config.memory <= std::numeric_limits<std::int64_t>::max() / 2;
    host_config.memory_swap = fits ? 2 * host_config.memory : -1;
  }
  if (host_config.shm_size == 0) {
    host_config.shm_size = parse_number<std::int64_t>(defaults.default_shm_size_bytes).value_or(64 << 20);
  }
  if (!host_config.oom_kill_disable && defaults.host.oom_kill_disable) host_config.oom_kill_disable = false;
  for (const container::Ulimit& ulimit : defaults.default_ulimits) {
    const auto own = std::ranges::find(host_config.ulimits, ulimit.name, &container::Ulimit::name);
    if (own == host_config.ulimits.end()) host_config.ulimits.push_back(ulimit);
  }
}

void warn_of_network(const container::HostConfig& host_config, const HostFeatures& host,
                     std::vector<std::string>& warnings) {
  const bool own_network = host_config.network_mode != "host" && host_config.network_mode != "none";
  if (!host.ipv4_forwarding && own_network) {
    warnings.emplace_back("IPv4 forwarding is disabled. Networking will not work.");
  }
  if (host_config.network_mode == "host" && !host_config.port_bindings.empty()) {
    warnings.emplace_back("Published ports are discarded when using host network mode");
  }
}

void check_addresses(const container::CreateRequest& request) {
  const std::string& mode = request.host_config.network_mode;
  const bool predefined = mode == "bridge" || mode == "host" || mode == "none";
  for (const auto& [name, endpoint] : request.networking_config.endpoints_config) {
    const bool wants_address = endpoint.ipam_config && (!endpoint.ipam_config->ipv4_address.empty() ||
                                                        !endpoint.ipam_config->ipv6_address.empty());
    if (predefined && wants_address) {
      throw invalid("user specified IP address is supported on user defined networks only");
    }
    if (predefined && !endpoint.aliases.empty()) {
      throw invalid("network-scoped alias is supported only for containers in user defined networks");
    }
  }
}

}  // namespace

std::pair<std::string, std::vector<std::string>> program_of(const container::Config& config) {
  std::vector<std::string> words = config.entrypoint.items;
  words.insert(words.end(), config.cmd.items.begin(), config.cmd.items.end());
  if (words.empty()) throw invalid("no command specified");
  std::string program = std::move(words.front());
  words.erase(words.begin());
  return {std::move(program), std::move(words)};
}

void prepare_create(container::CreateRequest& request, const image::ResolvedImage& image, const SetupDefaults& defaults,
                    std::vector<std::string>& warnings) {
  container::HostConfig& host_config = request.host_config;
  merge_config(request, image.config);
  if (!request.working_dir.empty()) request.working_dir = setup::clean_path(request.working_dir);
  // docker run --entrypoint "" sends one empty word.
  if (request.entrypoint.items == std::vector<std::string>{""}) request.entrypoint = {};
  program_of(request);

  if (host_config.restart_policy.name.empty()) host_config.restart_policy.name = "no";
  setup::check_resources(host_config, defaults.host, false, warnings);
  default_modes(host_config, defaults);
  default_limits(host_config, defaults);
  if (host_config.memory > 0 && !defaults.host.swap_limit) host_config.memory_swap = -1;
  setup::default_log(host_config.log_config, defaults.log_config);
  setup::check_log(host_config.log_config);
  default_security(host_config);
  check_addresses(request);

  if (host_config.runtime.empty()) host_config.runtime = defaults.default_runtime;
  if (std::ranges::find(defaults.runtimes, host_config.runtime) == defaults.runtimes.end()) {
    throw invalid(cat("unknown or invalid runtime name: ", host_config.runtime));
  }
  warn_of_network(host_config, defaults.host, warnings);
  if (!image.architecture.empty() && image.architecture != defaults.architecture) {
    warnings.push_back(cat("The requested image's platform (", image.os, "/", image.architecture,
                           ") does not match the detected host platform (linux/", defaults.architecture,
                           ") and no specific platform was requested"));
  }
  container::check_health_action(host_config.healthcheck_on_failure_action,
                                 container::health_plan(request).has_value());
}

void add_default_paths(container::HostConfig& host_config) {
  if (host_config.privileged) return;
  if (!host_config.masked_paths) host_config.masked_paths = setup::default_masked_paths();
  if (!host_config.readonly_paths) host_config.readonly_paths = setup::default_readonly_paths();
}

}  // namespace berth::engine
