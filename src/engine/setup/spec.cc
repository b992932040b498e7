#include <algorithm>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"
#include "engine/setup/parts.h"

namespace berth::engine {

namespace {

constexpr std::string_view kDefaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Docker's own variables, replaced or taken away by the user's ("K" without a value takes K away).
std::vector<std::string> environment(const container::Config& config, const std::string& hostname) {
  std::vector<std::string> env{std::string{kDefaultPath}, cat("HOSTNAME=", hostname)};
  if (config.tty) env.emplace_back("TERM=xterm");
  for (const std::string& entry : config.env) {
    const std::size_t equals = entry.find('=');
    const std::string key = entry.substr(0, equals) + "=";
    const auto at = std::ranges::find_if(env, [&](const std::string& old) { return old.starts_with(key); });
    if (equals == std::string::npos) {
      if (at != env.end()) env.erase(at);
    } else if (at != env.end()) {
      *at = entry;
    } else {
      env.push_back(entry);
    }
  }
  return env;
}

}  // namespace

oci::Process build_process(const container::Record& record, const SetupDefaults& defaults, const SetupFacts& facts) {
  const container::HostConfig& host_config = record.host_config;
  const std::vector<std::string> capabilities = setup::capabilities_of(host_config);
  const setup::SecurityOptions security = setup::parse_security_options(host_config, defaults);
  oci::Process process{.terminal = record.config.tty};
  if (record.config.tty && host_config.console_size.size() == 2 && host_config.console_size[0] != 0) {
    process.console_size = {.height = host_config.console_size[0], .width = host_config.console_size[1]};
  }
  process.user.lookup = record.config.user.empty() ? "0" : record.config.user;  // root has groups in the image, too
  process.user.lookup_groups = host_config.group_add;
  process.args = record.args;
  process.args.insert(process.args.begin(), record.path);
  process.env = environment(record.config, facts.hostname);
  process.cwd = record.config.working_dir.empty() ? "/" : record.config.working_dir;
  // No inheritable and no ambient ones (CVE-2022-24769): a program of another user starts without any.
  process.capabilities = {.bounding = capabilities, .effective = capabilities, .permitted = capabilities};
  process.rlimits = setup::rlimits_of(host_config.ulimits);
  process.no_new_privileges = security.no_new_privileges;
  // Docker too leaves profiles aside where the kernel has no AppArmor. Where it has, a container that was to be
  // confined must not run without.
  if (!security.apparmor.empty() && security.apparmor != "unconfined" && sys::exists("/sys/kernel/security/apparmor")) {
    throw not_implemented(cat("the AppArmor profile ", security.apparmor,
                              " cannot be applied: AppArmor is not implemented by Berth yet"));
  }
  process.oom_score_adj = host_config.oom_score_adj;
  return process;
}

namespace {

std::vector<oci::Namespace> namespaces_of(const container::HostConfig& host_config, const SetupFacts& facts) {
  std::vector<oci::Namespace> namespaces{{.type = "mount"}};
  if (host_config.network_mode != "host") namespaces.push_back({.type = "network", .path = facts.netns_path});
  if (host_config.uts_mode != "host") namespaces.push_back({.type = "uts"});
  if (host_config.pid_mode != "host") namespaces.push_back({.type = "pid", .path = facts.pid_path});
  if (host_config.ipc_mode != "host") namespaces.push_back({.type = "ipc", .path = facts.ipc_path});
  if (host_config.cgroupns_mode == "private") namespaces.push_back({.type = "cgroup"});
  return namespaces;
}

/// What a container may do without capabilities, since its network is its own: ping, and ports below 1024.
std::map<std::string, std::string> sysctls_of(const container::HostConfig& host_config, const SetupFacts& facts) {
  std::map<std::string, std::string> sysctls;
  if (facts.own_network && host_config.network_mode != "host") {
    if (sys::exists("/proc/sys/net/ipv4/ping_group_range")) sysctls["net.ipv4.ping_group_range"] = "0 2147483647";
    if (sys::exists("/proc/sys/net/ipv4/ip_unprivileged_port_start")) {
      sysctls["net.ipv4.ip_unprivileged_port_start"] = "0";
    }
  }
  for (const auto& [name, value] : host_config.sysctls) sysctls[name] = value;
  return sysctls;
}

/// A container's rootfs has to pass on what its mounts are to pass on.
std::string rootfs_propagation(const std::vector<container::MountPoint>& points) {
  std::string wanted;
  for (const container::MountPoint& point : points) {
    if (point.type != "bind") continue;
    if (point.propagation.ends_with("shared")) return "shared";
    if (point.propagation.ends_with("slave")) wanted = "rslave";
  }
  return wanted;
}

oci::Linux linux_of(const container::Record& record, const SetupDefaults& defaults, const SetupFacts& facts) {
  const container::HostConfig& host_config = record.host_config;
  setup::Devices devices = setup::devices_of(host_config);
  oci::Linux out;
  out.sysctl = sysctls_of(host_config, facts);
  out.resources = setup::resources_of(host_config);
  out.resources->devices = std::move(devices.rules);
  out.cgroups_path = setup::clean_path(
      cat("/", host_config.cgroup_parent.empty() ? defaults.cgroup_parent : host_config.cgroup_parent, "/", record.id));
  out.namespaces = namespaces_of(host_config, facts);
  out.devices = std::move(devices.nodes);
  out.rootfs_propagation = rootfs_propagation(record.mount_points);
  if (!host_config.privileged) {
    out.masked_paths = host_config.masked_paths.value_or(setup::default_masked_paths());
    out.readonly_paths = host_config.readonly_paths.value_or(setup::default_readonly_paths());
  }
  return out;
}

}  // namespace

bool wants_init(const container::HostConfig& host_config, const SetupDefaults& defaults) {
  return host_config.pid_mode.empty() && host_config.init.value_or(defaults.init);
}

oci::Spec build_spec(const container::Record& record, const SetupDefaults& defaults, const SetupFacts& facts) {
  oci::Spec spec;
  spec.process = build_process(record, defaults, facts);
  spec.root.readonly = record.host_config.readonly_rootfs;
  if (record.host_config.uts_mode != "host") {
    spec.hostname = facts.hostname;
    spec.domainname = record.config.domainname;
  }
  spec.mounts = setup::mounts_of(record, facts);
  spec.linux_ = linux_of(record, defaults, facts);
  spec.annotations = record.host_config.annotations;
  return spec;
}

}  // namespace berth::engine
