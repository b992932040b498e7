#include "daemon/settings.h"

#include <algorithm>

#include "base/core/error.h"
#include "base/core/text.h"

namespace berth::daemon {

const std::vector<Setting>& all_settings() {
  using enum Kind;
  using enum Effect;
  static const std::vector<Setting> kSettings = {
      {"runtimes", "add-runtime", 0, map, none_yet, "Register an additional OCI compatible runtime"},
      {"allow-direct-routing", "allow-direct-routing", 0, boolean, none_yet,
       "Allow remote access to published ports on container IP addresses"},
      {"allow-nondistributable-artifacts", "allow-nondistributable-artifacts", 0, list, none_yet,
       "Allow push of nondistributable artifacts to registry"},
      {"api-cors-header", "api-cors-header", 0, text, none_yet, "Set CORS headers in the Engine API"},
      {"authorization-plugins", "authorization-plugin", 0, list, none_yet, "Authorization plugins to load"},
      {"bip", "bip", 0, text, works, "IPv4 address for the default bridge"},
      {"bip6", "bip6", 0, text, none_yet, "IPv6 address for the default bridge"},
      {"bridge", "bridge", 'b', text, works, "Attach containers to a network bridge (\"none\" switches it off)"},
      {"bridge-accept-fwmark", "bridge-accept-fwmark", 0, text, none_yet,
       "In bridge networks, accept packets with this firewall mark/mask"},
      {"builder", "", 0, map, none_yet, ""},
      {"cdi-spec-dirs", "cdi-spec-dir", 0, list, none_yet, "CDI specification directories to use"},
      {"cgroup-parent", "cgroup-parent", 0, text, works, "Set parent cgroup for all containers"},
      {"config-file", "config-file", 0, text, works, "Daemon configuration file"},
      {"containerd", "containerd", 0, text, none_yet, "containerd grpc address"},
      {"containerd-namespace", "containerd-namespace", 0, text, none_yet, "Containerd namespace to use"},
      {"containerd-plugin-namespace", "containerd-plugins-namespace", 0, text, none_yet,
       "Containerd namespace to use for plugins"},
      {"containerd-plugins-namespace", "", 0, text, none_yet, ""},  // as Docker's manual spells the key
      {"cpu-rt-period", "cpu-rt-period", 0, number, none_yet, "Limit the CPU real-time period in microseconds"},
      {"cpu-rt-runtime", "cpu-rt-runtime", 0, number, none_yet, "Limit the CPU real-time runtime in microseconds"},
      {"cri-containerd", "cri-containerd", 0, boolean, none_yet, "Start containerd with cri"},
      {"data-root", "data-root", 0, text, works, "Root directory of persistent state"},
      {"debug", "debug", 'D', boolean, works, "Enable debug mode"},
      {"default-address-pools", "default-address-pool", 0, list, none_yet, "Default address pools for local networks"},
      {"default-cgroupns-mode", "default-cgroupns-mode", 0, text, works,
       "Default mode for containers cgroup namespace (\"host\" | \"private\")"},
      {"default-gateway", "default-gateway", 0, text, works, "Default gateway IPv4 address for the default bridge"},
      {"default-gateway-v6", "default-gateway-v6", 0, text, none_yet, "Default gateway IPv6 address"},
      {"default-ipc-mode", "default-ipc-mode", 0, text, works,
       "Default mode for containers ipc (\"shareable\" | \"private\")"},
      {"default-network-opts", "default-network-opt", 0, map, none_yet, "Default network options"},
      {"default-runtime", "default-runtime", 0, text, none_yet, "Default OCI runtime for containers"},
      {"default-shm-size", "default-shm-size", 0, text, works, "Default shm size for containers"},
      {"default-ulimits", "default-ulimit", 0, list, works, "Default ulimits for containers"},
      {"dns", "dns", 0, list, works, "DNS server to use"},
      {"dns-opts", "dns-opt", 0, list, works, "DNS options to use"},
      {"dns-search", "dns-search", 0, list, works, "DNS search domains to use"},
      {"exec-opts", "exec-opt", 0, list, none_yet, "Runtime execution options"},
      {"exec-root", "exec-root", 0, text, works, "Root directory for execution state files"},
      {"experimental", "experimental", 0, boolean, works, "Enable experimental features"},
      {"features", "feature", 0, map, none_yet, "Enable feature in the daemon"},
      {"firewall-backend", "firewall-backend", 0, text, none_yet, "Firewall backend to use (Berth's is nftables)"},
      {"fixed-cidr", "fixed-cidr", 0, text, works, "IPv4 subnet for the default bridge network"},
      {"fixed-cidr-v6", "fixed-cidr-v6", 0, text, none_yet, "IPv6 subnet for the default bridge network"},
      {"group", "group", 'G', text, works, "Group for the unix socket"},
      {"hosts", "host", 'H', list, works, "Daemon socket(s) to connect to"},
      {"host-gateway-ip", "host-gateway-ip", 0, text, works,
       "IP address that the special 'host-gateway' string in --add-host resolves to"},
      {"http-proxy", "http-proxy", 0, text, works, "HTTP proxy URL to use for outgoing traffic"},
      {"https-proxy", "https-proxy", 0, text, works, "HTTPS proxy URL to use for outgoing traffic"},
      {"icc", "icc", 0, boolean, works, "Enable inter-container communication for the default bridge"},
      {"image-gc-high-threshold", "image-gc-high-threshold", 0, number, works,
       "Percent of disk usage from which on unused images are removed (Berth's; 0, the default, never)"},
      {"image-gc-low-threshold", "image-gc-low-threshold", 0, number, works,
       "Percent of disk usage down to which unused images are removed"},
      {"image-minimum-gc-age", "image-minimum-gc-age", 0, text, works,
       "How long an image has to be unused before it may be removed for its space (default 2m)"},
      {"init", "init", 0, boolean, works, "Run an init in the container to forward signals and reap processes"},
      {"init-path", "init-path", 0, text, works, "Path to the init binary"},
      {"insecure-registries", "insecure-registry", 0, list, works, "Enable insecure registry communication"},
      {"ip", "ip", 0, text, works, "Default IP when binding container ports"},
      {"ip-forward", "ip-forward", 0, boolean, works, "Enable net.ipv4.ip_forward"},
      {"ip-forward-no-drop", "ip-forward-no-drop", 0, boolean, none_yet,
       "Do not set the filter-FORWARD policy to DROP"},
      {"ip-masq", "ip-masq", 0, boolean, works, "Enable IP masquerading for the default bridge"},
      {"ip6tables", "ip6tables", 0, boolean, none_yet, "Enable addition of IPv6 rules"},
      {"iptables", "iptables", 0, boolean, works, "Enable addition of packet filter rules"},
      {"ipv6", "ipv6", 0, boolean, none_yet, "Enable IPv6 networking for the default bridge"},
      {"keep-layer-blobs", "keep-layer-blobs", 0, boolean, works,
       "Keep pulled layers as they came too, for pushes with the same digest (Berth's; default true)"},
      {"labels", "label", 0, list, works, "Set key=value labels to the daemon"},
      {"live-restore", "live-restore", 0, boolean, works,
       "Keep containers running when the daemon stops (default true)"},
      {"log-driver", "log-driver", 0, text, works, "Default driver for container logs"},
      {"log-format", "log-format", 0, text, none_yet, "Set the logging format (\"text\"|\"json\")"},
      {"log-level", "log-level", 'l', text, works,
       "Set the logging level (\"debug\"|\"info\"|\"warn\"|\"error\"|\"fatal\")"},
      {"log-opts", "log-opt", 0, map, works, "Default log driver options for containers"},
      {"max-concurrent-downloads", "max-concurrent-downloads", 0, number, works,
       "Set the max concurrent downloads for each pull"},
      {"max-concurrent-uploads", "max-concurrent-uploads", 0, number, works,
       "Set the max concurrent uploads for each push"},
      {"max-download-attempts", "max-download-attempts", 0, number, works,
       "Set the max download attempts for each pull"},
      {"metrics-addr", "metrics-addr", 0, text, none_yet, "Set default address and port to serve the metrics api on"},
      {"min-api-version", "", 0, text, none_yet, ""},
      {"mtu", "mtu", 0, number, works, "Set the MTU for the default bridge network"},
      {"network-control-plane-mtu", "network-control-plane-mtu", 0, number, none_yet, "Network Control plane MTU"},
      {"network-diagnostic-port", "network-diagnostic-port", 0, number, none_yet, ""},
      {"no-new-privileges", "no-new-privileges", 0, boolean, works, "Set no-new-privileges by default"},
      {"no-proxy", "no-proxy", 0, text, works, "Comma-separated list of hosts for which the proxy is not used"},
      {"node-generic-resources", "node-generic-resource", 0, list, none_yet, "Advertise user-defined resource"},
      {"oom-score-adjust", "oom-score-adjust", 0, number, none_yet, "Set the oom_score_adj for the daemon"},
      {"pidfile", "pidfile", 'p', text, works, "Path to use for daemon PID file"},
      {"proxies", "", 0, map, works, ""},
      {"raw-logs", "raw-logs", 0, boolean, none_yet, "Full timestamps without ANSI coloring"},
      {"registry", "registry", 0, list, works, "Serve a registry at this address, as :5000"},
      {"registry-mirrors", "registry-mirror", 0, list, works,
       "Preferred mirror of Docker Hub, or, as UPSTREAM=URL, of another registry"},
      {"registry-timeout", "registry-timeout", 0, number, works,
       "Seconds that a registry may be silent, or nearly so, in the middle of an answer (Berth's; default 60)"},
      {"registry-opts", "registry-opt", 0, map, works, "Option of `berth registry serve` for it, NAME=VALUE"},
      {"rootless", "rootless", 0, boolean, none_yet, "Enable rootless mode"},
      {"seccomp-profile", "seccomp-profile", 0, text, works,
       "Path to seccomp profile. Use \"unconfined\" to disable the default seccomp profile"},
      {"selinux-enabled", "selinux-enabled", 0, boolean, none_yet, "Enable selinux support"},
      {"shutdown-timeout", "shutdown-timeout", 0, number, works, "Set the default shutdown timeout"},
      {"storage-driver", "storage-driver", 's', text, works, "Storage driver to use"},
      {"storage-opts", "storage-opt", 0, list, none_yet, "Storage driver options"},
      {"swarm-default-advertise-addr", "swarm-default-advertise-addr", 0, text, none_yet,
       "Set default address or interface for swarm advertised address"},
      {"tls", "tls", 0, boolean, works, "Use TLS; implied by --tlsverify"},
      {"tlscacert", "tlscacert", 0, text, works, "Trust certs signed only by this CA"},
      {"tlscert", "tlscert", 0, text, works, "Path to TLS certificate file"},
      {"tlskey", "tlskey", 0, text, works, "Path to TLS key file"},
      {"tlsverify", "tlsverify", 0, boolean, works, "Use TLS and verify the remote"},
      {"userland-proxy", "userland-proxy", 0, boolean, none_yet,
       "Use userland proxy for loopback traffic (Berth needs none)"},
      {"userland-proxy-path", "userland-proxy-path", 0, text, none_yet, "Path to the userland proxy binary"},
      {"userns-remap", "userns-remap", 0, text, none_yet, "User/Group setting for user namespaces"},
  };
  return kSettings;
}

namespace {

std::optional<bool> parse_bool(std::string_view text) {
  for (const std::string_view yes : {"1", "t", "T", "true", "TRUE", "True"}) {
    if (text == yes) return true;
  }
  for (const std::string_view no : {"0", "f", "F", "false", "FALSE", "False"}) {
    if (text == no) return false;
  }
  return std::nullopt;
}

}  // namespace

std::string Settings::text(std::string_view key, std::string_view otherwise) const {
  const auto found = values_.find(key);
  return std::string{found == values_.end() || found->second.empty() || found->second.back().empty()
                         ? otherwise
                         : found->second.back()};
}

bool Settings::boolean(std::string_view key, bool otherwise) const { return parse_bool(text(key)).value_or(otherwise); }

std::int64_t Settings::number(std::string_view key, std::int64_t otherwise) const {
  return parse_number<std::int64_t>(text(key)).value_or(otherwise);
}

const std::vector<std::string>& Settings::list(std::string_view key) const {
  static const std::vector<std::string> kNone;
  const auto found = values_.find(key);
  return found == values_.end() ? kNone : found->second;
}

std::map<std::string, std::string> Settings::map(std::string_view key) const {
  std::map<std::string, std::string> out;
  for (const std::string& entry : list(key)) {
    const std::size_t equals = entry.find('=');
    out[entry.substr(0, equals)] = equals == std::string::npos ? "" : entry.substr(equals + 1);
  }
  return out;
}

void Settings::set(const Setting& setting, std::string value) {
  std::vector<std::string>& values = values_[std::string{setting.key}];
  switch (setting.kind) {
    case Kind::boolean: {
      const std::optional<bool> flag = parse_bool(value);
      if (!flag) throw invalid(cat("strconv.ParseBool: parsing ", quoted(value), ": invalid syntax"));
      values = {*flag ? "true" : "false"};
      return;
    }
    case Kind::number:
      if (!parse_number<std::int64_t>(value)) {
        throw invalid(cat("strconv.ParseInt: parsing ", quoted(value), ": invalid syntax"));
      }
      values = {std::move(value)};
      return;
    case Kind::text: values = {std::move(value)}; return;
    case Kind::map:
      if (value.find('=') == std::string::npos) throw invalid(cat("invalid value for ", setting.key, ": ", value));
      values.push_back(std::move(value));
      return;
    case Kind::list: values.push_back(std::move(value)); return;
  }
}

Settings merge(const Settings& flags, const Settings& file) {
  Settings merged = flags;
  std::vector<std::string> conflicts;
  for (const Setting& setting : all_settings()) {
    if (!file.has(setting.key)) continue;
    if (flags.has(setting.key)) {
      conflicts.push_back(cat(setting.key, ": (from flag: ", join(flags.list(setting.key), " "),
                              ", from file: ", join(file.list(setting.key), " "), ")"));
      continue;
    }
    for (const std::string& value : file.list(setting.key)) merged.set(setting, value);
  }
  if (!conflicts.empty()) {
    throw invalid(cat("the following directives are specified both as a flag and in the configuration file: ",
                      join(conflicts, ", ")));
  }
  return merged;
}

std::vector<std::string> without_effect(const Settings& settings) {
  std::vector<std::string> lines;
  for (const Setting& setting : all_settings()) {
    if (setting.effect != Effect::none_yet || !settings.has(setting.key)) continue;
    // Switched off is what it is.
    if (setting.kind != Kind::boolean || settings.boolean(setting.key, false)) {
      lines.push_back(cat(setting.flag.empty() ? setting.key : cat("--", setting.flag), " has no effect yet"));
    }
  }
  return lines;
}

std::string help_text(std::string_view program) {
  std::string out = cat("\nUsage:\t", program, " [OPTIONS]\n\nA self-sufficient runtime for containers.\n\nOptions:\n");
  constexpr std::string_view kKinds[] = {"", " string", " int", " list", " map"};
  for (const Setting& setting : all_settings()) {
    if (setting.flag.empty()) continue;
    std::string left =
        setting.shorthand != 0 ? cat("  -", setting.shorthand, ", --", setting.flag) : cat("      --", setting.flag);
    left += kKinds[static_cast<int>(setting.kind)];
    left.resize(std::max<std::size_t>(left.size() + 2, 44), ' ');
    out += cat(left, setting.help, setting.effect == Effect::none_yet ? " (no effect yet)\n" : "\n");
  }
  return out +
         "      --help                                Print usage\n"
         "      --validate                            Validate daemon configuration and exit\n"
         "  -v, --version                             Print version information and quit\n";
}

}  // namespace berth::daemon
