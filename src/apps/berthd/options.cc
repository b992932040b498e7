#include "apps/berthd/options.h"

#include <arpa/inet.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>

#include "base/core/error.h"
#include "base/core/text.h"
#include "engine/go_duration.h"
#include "engine/host_features.h"
#include "engine/registry_service.h"

namespace berth {

DefaultPlaces::DefaultPlaces(std::string_view program_name) {
  if (program_name != "dockerd") return;
  host = "unix:///var/run/docker.sock";
  pid_file = "/var/run/docker.pid";
  config_file = "/etc/docker/daemon.json";
}

namespace {

std::string absolute(const std::string& path) { return std::filesystem::absolute(path).lexically_normal().string(); }

/// "64m", "1g", "1024" in bytes, as Docker's RAMInBytes reads it.
std::int64_t parse_bytes(std::string_view text, std::string_view what) {
  const std::string lower = to_lower(trim(text));
  std::string_view digits = lower;
  if (digits.ends_with("ib"))
    digits.remove_suffix(2);
  else if (digits.ends_with("b"))
    digits.remove_suffix(1);
  std::int64_t factor = 1;
  constexpr std::string_view kUnits = "kmgtp";
  if (!digits.empty() && kUnits.find(digits.back()) != std::string_view::npos) {
    factor = std::int64_t{1} << (10 * (kUnits.find(digits.back()) + 1));
    digits.remove_suffix(1);
  }
  const std::optional<std::int64_t> number = parse_number<std::int64_t>(trim(digits));
  if (!number || *number < 0) throw invalid(cat("invalid size for ", what, ": '", text, "'"));
  return *number * factor;
}

/// "nofile=1024:2048"
container::Ulimit parse_ulimit(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos) throw invalid(cat("invalid ulimit argument: ", text));
  const std::vector<std::string> values = split(text.substr(equals + 1), ':');
  const auto soft = parse_number<std::int64_t>(values[0]);
  const auto hard = values.size() > 1 ? parse_number<std::int64_t>(values[1]) : soft;
  if (!soft || !hard || values.size() > 2) throw invalid(cat("invalid ulimit argument: ", text));
  if (*hard != -1 && *soft > *hard) {
    throw invalid(cat("ulimit soft limit must be less than or equal to hard limit: ", *soft, " > ", *hard));
  }
  constexpr std::array<std::string_view, 15> kNames{"core",    "cpu",      "data",   "fsize",      "locks",
                                                    "memlock", "msgqueue", "nice",   "nofile",     "nproc",
                                                    "rss",     "rtprio",   "rttime", "sigpending", "stack"};
  const std::string name = text.substr(0, equals);
  if (std::ranges::find(kNames, name) == kNames.end()) throw invalid(cat("invalid ulimit type: ", name));
  return {.name = name, .hard = *hard, .soft = *soft};
}

std::vector<std::string> dns_servers(const daemon::Settings& settings) {
  std::vector<std::string> servers = settings.list("dns");
  for (const std::string& server : servers) {
    std::array<std::byte, sizeof(in6_addr)> address;
    if (::inet_pton(AF_INET, server.c_str(), &address) != 1 && ::inet_pton(AF_INET6, server.c_str(), &address) != 1) {
      throw invalid(cat(server, " is not an ip address"));
    }
  }
  return servers;
}

void check_choice(const daemon::Settings& settings, std::string_view key,
                  std::initializer_list<std::string_view> words) {
  const std::string value = settings.text(key);
  if (value.empty()) return;
  for (const std::string_view word : words) {
    if (value == word) return;
  }
  throw invalid(cat("invalid value for ", key, ": ", value));
}

void set_defaults(engine::SetupDefaults& defaults, const daemon::Settings& settings) {
  defaults.host = engine::detect_host_features();
  if (settings.boolean("ip-forward", true))
    defaults.host.ipv4_forwarding = true;  // the networks are about to see to it
  for (const std::string& text : settings.list("default-ulimits")) {
    defaults.default_ulimits.push_back(parse_ulimit(text));
  }
  check_choice(settings, "default-ipc-mode", {"private", "shareable"});
  check_choice(settings, "default-cgroupns-mode", {"private", "host"});
  defaults.log_config.type = settings.text("log-driver", "json-file");
  defaults.log_config.config = settings.map("log-opts");
  engine::check_log_defaults(defaults.log_config);
  defaults.cgroup_parent = settings.text("cgroup-parent", defaults.cgroup_parent);
  if (!defaults.cgroup_parent.starts_with('/')) defaults.cgroup_parent.insert(0, "/");
  if (settings.has("default-shm-size")) {
    defaults.default_shm_size_bytes = cat(parse_bytes(settings.text("default-shm-size"), "default-shm-size"));
  }
  defaults.ipc_mode = settings.text("default-ipc-mode", defaults.ipc_mode);
  // Docker's own choice: private where there is only cgroup v2, whose view of the host would otherwise be writable.
  defaults.cgroupns_mode = settings.text("default-cgroupns-mode",
                                         ::access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0 ? "private" : "host");
  defaults.init = settings.boolean("init", false);
  defaults.no_new_privileges = settings.boolean("no-new-privileges", false);
  defaults.seccomp_profile = settings.text("seccomp-profile");
}

void set_network(network::Config& network, const daemon::Settings& settings, const engine::EngineOptions& options) {
  network.bridge = settings.text("bridge", network.bridge);
  network.bip = settings.text("bip");
  network.fixed_cidr = settings.text("fixed-cidr");
  network.default_gateway = settings.text("default-gateway");
  network.mtu = static_cast<int>(settings.number("mtu", network.mtu));
  network.firewall = settings.boolean("iptables", true);
  network.ip_forward = settings.boolean("ip-forward", true);
  network.ip_masq = settings.boolean("ip-masq", true);
  network.icc = settings.boolean("icc", true);
  network.default_host_ip = settings.text("ip", network.default_host_ip);
  network.state_dir = options.data_root + "/network";
  // Stable for a data root, different for two of them: several daemons keep their links and tables apart by it.
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : options.data_root) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  std::string bytes;
  for (int shift = 0; shift < 32; shift += 8) bytes += static_cast<char>(hash >> shift);
  network.instance = to_hex(bytes);
  if (!network.bip.empty() && !settings.text("bridge").empty() && settings.text("bridge") != "none") {
    throw invalid("You specified -b & --bip, mutually exclusive options. Please specify only one");
  }
  if (!network.icc && !network.firewall) {
    throw invalid(
        "You specified --iptables=false with --icc=false. ICC=false uses iptables to function. "
        "Please set --icc or --iptables to true");
  }
}

/// dockerd takes 0 for "the default".
unsigned transfer_limit(const daemon::Settings& settings, const std::string& key, unsigned otherwise) {
  const std::int64_t count = settings.number(key, 0);
  std::string name = key;
  for (char& c : name) c = c == '-' ? ' ' : c;
  if (count < 0 || count > 1024) throw invalid(cat("invalid ", name, ": ", count));
  return count == 0 ? otherwise : static_cast<unsigned>(count);
}

std::chrono::seconds registry_timeout(const daemon::Settings& settings) {
  const std::int64_t seconds = settings.number("registry-timeout", 60);
  if (seconds < 1 || seconds > 86'400) throw invalid(cat("invalid registry timeout: ", seconds));
  return std::chrono::seconds{seconds};
}

engine::SpacePolicy space_policy(const daemon::Settings& settings) {
  const auto percent = [&](const std::string& key, std::int64_t otherwise) {
    const std::int64_t value = settings.number(key, otherwise);
    if (value < 0 || value > 100) throw invalid(cat("invalid ", key, ": ", value, ": a percentage is from 0 to 100"));
    return static_cast<unsigned>(value);
  };
  engine::SpacePolicy policy;
  policy.high_percent = percent("image-gc-high-threshold", 0);
  policy.low_percent = percent("image-gc-low-threshold", policy.high_percent == 0 ? 0 : policy.high_percent * 9 / 10);
  if (policy.low_percent > policy.high_percent)
    throw invalid("image-gc-low-threshold must not be above image-gc-high-threshold");
  const std::string age = settings.text("image-minimum-gc-age", "2m");
  const auto minimum = engine::parse_go_duration(age);
  if (!minimum || minimum->count() < 0) throw invalid(cat("invalid image-minimum-gc-age: ", age));
  policy.minimum_age = *minimum;
  return policy;
}

/// A flag, a key of daemon.json's "proxies", or the environment (HTTP_PROXY, http_proxy), in this order.
std::string proxy_setting(const daemon::Settings& settings, const std::string& key) {
  if (std::string flag = settings.text(key); !flag.empty()) return flag;
  const std::map<std::string, std::string> proxies = settings.map("proxies");
  if (const auto found = proxies.find(key); found != proxies.end()) return found->second;
  std::string name = key, upper_name;
  std::ranges::replace(name, '-', '_');
  for (const char c : name) upper_name += c == '_' ? c : static_cast<char>(c - 'a' + 'A');
  for (const std::string& spelling : {upper_name, name}) {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody sets the environment
    if (const char* value = std::getenv(spelling.c_str()); value != nullptr && *value != '\0') return value;
  }
  return "";
}

}  // namespace

engine::EngineOptions engine_options(const daemon::Settings& settings, const DefaultPlaces& places) {
  engine::EngineOptions options;
  options.data_root = absolute(settings.text("data-root", places.data_root));
  options.exec_root = absolute(settings.text("exec-root", places.exec_root));
  options.shim_path = find_helper("berth-shim");
  const std::string init = settings.text("init-path");
  options.init_path = init.empty() ? find_helper("berth-init") : absolute(init);
  options.logger_path = find_helper("berth-logger");
  options.storage_driver = settings.text("storage-driver");
  set_defaults(options.defaults, settings);
  set_network(options.network, settings, options);
  options.live_restore = settings.boolean("live-restore", true);
  options.shutdown_timeout_seconds = static_cast<int>(settings.number("shutdown-timeout", 15));
  for (const std::string& label : settings.list("labels")) {
    if (label.find('=') == std::string::npos) throw invalid(cat("bad attribute format: ", label));
    options.labels.push_back(label);
  }
  options.dns = dns_servers(settings);
  options.dns_options = settings.list("dns-opts");
  options.dns_search = settings.list("dns-search");
  options.host_gateway_ip = settings.text("host-gateway-ip");
  options.hosts = settings.list("hosts");
  options.debug = settings.boolean("debug", false);
  options.experimental = settings.boolean("experimental", false);
  options.insecure_registries = settings.list("insecure-registries");
  options.space = space_policy(settings);
  options.keep_layer_blobs = settings.boolean("keep-layer-blobs", true);
  options.transfers.downloads = transfer_limit(settings, "max-concurrent-downloads", 3);
  options.transfers.uploads = transfer_limit(settings, "max-concurrent-uploads", 5);
  options.download_attempts = static_cast<int>(transfer_limit(settings, "max-download-attempts", 5));
  options.registry_timeout = registry_timeout(settings);
  options.registry_mirrors = settings.list("registry-mirrors");
  options.http_proxy = proxy_setting(settings, "http-proxy");
  options.https_proxy = proxy_setting(settings, "https-proxy");
  options.no_proxy = proxy_setting(settings, "no-proxy");
  engine::registry_policy(options);  // throws for what is no mirror
  return options;
}

Host parse_host(const std::string& text, bool tls) {
  const Error nonsense = invalid(cat("unable to parse docker host `", text, "`"));
  const std::size_t colon = text.find("://");
  if (colon == std::string::npos) throw nonsense;
  Host host{.scheme = text.substr(0, colon), .path = {}, .address = {}};
  const std::string rest = text.substr(colon + 3);
  if (host.scheme == "unix") {
    host.path = absolute(rest.empty() ? "/var/run/docker.sock" : rest);
  } else if (host.scheme == "tcp") {
    host.port = tls ? 2376 : 2375;
    host.address = rest;
    const std::size_t port_at = rest.rfind(':');
    if (port_at != std::string::npos && rest.find(']', port_at) == std::string::npos) {
      const auto port = parse_number<std::uint16_t>(rest.substr(port_at + 1));
      if (!port) throw invalid(cat("invalid bind address format: ", text));
      host.port = *port;
      host.address = rest.substr(0, port_at);
    }
    if (host.address.starts_with('[') && host.address.ends_with(']')) {
      host.address = host.address.substr(1, host.address.size() - 2);
    }
    if (host.address.empty()) host.address = "127.0.0.1";
  } else if (host.scheme != "fd") {
    throw nonsense;
  }
  return host;
}

std::string find_helper(const std::string& name) {
  std::error_code code;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", code);
  for (const std::filesystem::path& folder :
       {self.parent_path(), std::filesystem::path{"/usr/libexec/berth"}, std::filesystem::path{"/usr/bin"}}) {
    if (::access((folder / name).c_str(), X_OK) == 0) return (folder / name).string();
  }
  throw system_error(cat(name, " is neither beside berthd nor in /usr/libexec/berth or /usr/bin"));
}

}  // namespace berth
