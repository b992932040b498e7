#include "engine/system_service.h"
#include "registry/client/trust.h"

#include <sys/utsname.h>
#include <sys/vfs.h>

#include <algorithm>
#include <map>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"

namespace berth::engine {

namespace {

/// The list of images doesn't say it (-1); `docker system df` counts by it what is in use.
void count_users(std::vector<image::ImageSummary>& images, const std::vector<ContainerSummary>& containers) {
  std::map<std::string_view, std::int64_t> users;
  for (const ContainerSummary& container : containers) ++users[container.image_id];
  for (image::ImageSummary& image : images) image.containers = users[image.id];
}

constexpr std::string_view kApiVersion = "1.51", kMinApiVersion = "1.24";

struct Kernel {
  std::string release, machine, host_name;
};

Kernel kernel() {
  utsname names{};
  ::uname(&names);
  return {.release = names.release, .machine = names.machine, .host_name = names.nodename};
}

/// Spec: os-release(5): KEY=value lines, values perhaps in quotes.
std::string os_release(std::string_view key) {
  std::optional<std::string> text = sys::read_file_if_exists("/etc/os-release");
  if (!text) text = sys::read_file_if_exists("/usr/lib/os-release");
  for (const std::string& line : split(text.value_or(""), '\n')) {
    if (!line.starts_with(cat(key, "="))) continue;
    std::string value{trim(std::string_view{line}.substr(key.size() + 1))};
    std::erase_if(value, [](char c) { return c == '"' || c == '\''; });
    return value;
  }
  return "";
}

std::int64_t total_memory() {
  const std::string text = sys::read_file_if_exists("/proc/meminfo").value_or("");
  const std::size_t at = text.find("MemTotal:");
  if (at == std::string::npos) return 0;
  const std::string_view line = std::string_view{text}.substr(at + 9, text.find('\n', at) - at - 9);
  const std::string_view number = trim(line.substr(0, line.find("kB")));
  return parse_number<std::int64_t>(number).value_or(0) * 1024;
}

std::int64_t entries(const std::string& folder) { return static_cast<std::int64_t>(sys::list_dir(folder).size()); }

/// Docker's names for the file systems that it knows.
std::string backing_filesystem(const std::string& path) {
  static const std::map<std::uint64_t, std::string> kNames{
      {0xEF53, "extfs"},   {0x58465342, "xfs"},       {0x9123683E, "btrfs"}, {0x01021994, "tmpfs"},
      {0x2FC12FC1, "zfs"}, {0x794C7630, "overlayfs"}, {0xF2F52010, "f2fs"}};
  struct statfs status{};
  if (::statfs(path.c_str(), &status) != 0) return "<unknown>";
  const auto found = kNames.find(static_cast<std::uint64_t>(status.f_type) & 0xFFFFFFFF);
  return found == kNames.end() ? "<unknown>" : found->second;
}

/// Whoever may ask for info need not know the proxy's password.
std::string without_credentials(const std::string& proxy) {
  const std::size_t scheme = proxy.find("://"), start = scheme == std::string::npos ? 0 : scheme + 3;
  const std::size_t at = proxy.substr(0, proxy.find('/', start)).rfind('@');
  if (at == std::string::npos || at < start) return proxy;
  return cat(proxy.substr(0, start), "xxxxx:xxxxx", proxy.substr(at));
}

RegistryConfigView registry_config(const SystemOptions& options) {
  RegistryConfigView view;
  view.insecure_registry_cidrs = {"::1/128", "127.0.0.0/8"};
  for (const std::string& registry : options.insecure_registries) {
    if (registry.find('/') != std::string::npos) {
      view.insecure_registry_cidrs.push_back(registry);
    } else {
      view.index_configs[registry] = {.name = registry, .mirrors = {}, .secure = false, .official = false};
    }
  }
  for (const std::string& text : options.registry_mirrors) {
    const registry::Mirror mirror = registry::parse_mirror(text);
    if (mirror.upstream == "docker.io") {
      view.mirrors.push_back(cat(mirror.address, "/"));
      continue;
    }
    IndexInfo& upstream = view.index_configs[mirror.upstream];
    if (upstream.name.empty()) upstream = {.name = mirror.upstream, .mirrors = {}, .secure = true, .official = false};
    upstream.mirrors.push_back(cat(mirror.address, "/"));
  }
  view.index_configs["docker.io"] = {.name = "docker.io", .mirrors = view.mirrors, .secure = true, .official = true};
  return view;
}

std::vector<std::string> security_options(const SystemOptions& options) {
  std::vector<std::string> list;
  if (sys::exists("/proc/sys/kernel/seccomp")) {
    const std::string& profile = options.defaults.seccomp_profile;
    list.push_back(cat("name=seccomp,profile=", profile.empty() ? "builtin" : profile));
  }
  if (options.defaults.host.cgroup_namespaces && options.defaults.cgroupns_mode == "private") {
    list.emplace_back("name=cgroupns");
  }
  if (options.defaults.no_new_privileges) list.emplace_back("name=no-new-privileges");
  return list;
}

std::vector<std::string> warnings(const SystemOptions& options) {
  const HostFeatures& host = options.defaults.host;
  std::vector<std::string> list;
  const auto warn = [&](bool there, std::string_view what) {
    if (!there) list.push_back(cat("WARNING: ", what));
  };
  for (const std::string& address : options.hosts) {
    warn(!address.starts_with("tcp://"), cat("API is accessible on ", address,
                                             ": access to the remote API is equivalent to root access on the host, "
                                             "unless clients have to show a certificate"));
  }
  warn(host.memory_limit, "No memory limit support");
  warn(host.swap_limit, "No swap limit support");
  warn(host.oom_kill_disable || host.cgroup_v2, "No oom kill disable support");
  warn(host.cpu_cfs, "No cpu cfs quota support");
  warn(host.cpu_cfs, "No cpu cfs period support");
  warn(host.cpu_shares, "No cpu shares support");
  warn(host.cpuset, "No cpuset support");
  warn(host.blkio_weight || !host.cgroup_v2, "No io.weight support");
  warn(host.blkio_weight_device || !host.cgroup_v2, "No io.weight (per device) support");
  const std::vector<std::string> throttles =
      host.cgroup_v2 ? std::vector<std::string>{"io.max (rbps)", "io.max (wbps)", "io.max (riops)", "io.max (wiops)"}
                     : std::vector<std::string>{"blkio throttle.read_bps_device", "blkio throttle.write_bps_device",
                                                "blkio throttle.read_iops_device", "blkio throttle.write_iops_device"};
  for (const std::string& name : throttles) warn(host.blkio_throttle, cat("No ", name, " support"));
  warn(host.ipv4_forwarding, "IPv4 forwarding is disabled");
  return list;
}

class SystemService : public System {
 public:
  SystemService(SystemOptions options, SystemParts parts) : options_(std::move(options)), parts_(std::move(parts)) {}

  SystemInfo info() override;
  VersionInfo version() override;
  Task<DiskUsage> disk_usage(DiskUsageQuery query) override;
  std::unique_ptr<EventStream> open_events(std::optional<Time> since, std::optional<Time> until,
                                           Filters filters) override {
    return parts_.open_events(since, until, std::move(filters));
  }

 private:
  void describe_host(SystemInfo& info) const;
  void describe_daemon(SystemInfo& info) const;

  SystemOptions options_;
  SystemParts parts_;
};

void SystemService::describe_host(SystemInfo& info) const {
  const HostFeatures& host = options_.defaults.host;
  const Kernel running = kernel();
  info.memory_limit = host.memory_limit;
  info.swap_limit = host.swap_limit;
  info.cpu_cfs_period = info.cpu_cfs_quota = host.cpu_cfs;
  info.cpu_shares = host.cpu_shares;
  info.cpu_set = host.cpuset;
  info.pids_limit = host.pids_limit;
  info.ipv4_forwarding = trim(sys::read_file_if_exists("/proc/sys/net/ipv4/ip_forward").value_or("1")) != "0";
  info.oom_kill_disable = host.oom_kill_disable;
  info.cgroup_version = host.cgroup_v2 ? "2" : "1";
  info.kernel_version = running.release;
  info.operating_system = os_release("PRETTY_NAME");
  if (info.operating_system.empty()) info.operating_system = "Linux";
  info.os_version = os_release("VERSION_ID");
  info.architecture = running.machine;
  info.name = running.host_name;
  info.ncpu = host.cpu_count;
  info.mem_total = total_memory();
  info.system_time = format_time(now());
}

void SystemService::describe_daemon(SystemInfo& info) const {
  const SetupDefaults& defaults = options_.defaults;
  info.id = options_.id;
  info.driver = options_.storage_driver;
  info.driver_status = {{"Backing Filesystem", backing_filesystem(options_.data_root)}};
  info.plugins = {
      .volume = {"local"}, .network = {"bridge", "host", "null"}, .authorization = {}, .log = log_drivers()};
  info.debug = options_.debug;
  info.file_descriptors = entries("/proc/self/fd");
  info.goroutines = entries("/proc/self/task");
  info.logging_driver = defaults.log_config.type;
  info.index_server_address = "https://index.docker.io/v1/";
  info.registry_config = registry_config(options_);
  info.docker_root_dir = options_.data_root;
  info.http_proxy = without_credentials(options_.http_proxy);
  info.https_proxy = without_credentials(options_.https_proxy);
  info.no_proxy = options_.no_proxy;
  info.labels = options_.labels;
  info.experimental_build = options_.experimental;
  info.server_version = BERTH_VERSION;
  for (const std::string& name : defaults.runtimes) info.runtimes[name] = {.path = options_.shim_path};
  info.default_runtime = defaults.default_runtime;
  info.live_restore_enabled = options_.live_restore;
  info.init_binary = options_.init_path.substr(options_.init_path.rfind('/') + 1);
  info.containerd_commit = info.runc_commit = info.init_commit = {.id = "N/A"};
  info.security_options = security_options(options_);
  if (options_.firewall) info.firewall_backend = {.driver = "nftables", .info = {}};
  info.warnings = warnings(options_);
}

SystemInfo SystemService::info() {
  SystemInfo info;
  describe_host(info);
  describe_daemon(info);
  const ContainerCounts counts = parts_.container_counts();
  info.containers_running = counts.running;
  info.containers_paused = counts.paused;
  info.containers_stopped = counts.stopped;
  info.containers = counts.running + counts.paused + counts.stopped;
  info.images = parts_.image_count();
  info.events_listeners = parts_.event_readers();
  return info;
}

VersionInfo SystemService::version() {
  const Kernel running = kernel();
  VersionInfo version;
  version.platform.name = "Berth";
  version.version = BERTH_VERSION;
  version.api_version = kApiVersion;
  version.min_api_version = kMinApiVersion;
  version.arch = options_.defaults.architecture;
  version.kernel_version = running.release;
  version.experimental = options_.experimental;
  version.components = {{.name = "Engine",
                         .version = BERTH_VERSION,
                         .details = {{"ApiVersion", std::string{kApiVersion}},
                                     {"MinAPIVersion", std::string{kMinApiVersion}},
                                     {"Arch", version.arch},
                                     {"Os", "linux"},
                                     {"KernelVersion", running.release},
                                     {"GitCommit", ""},
                                     {"GoVersion", ""},
                                     {"BuildTime", ""},
                                     {"Experimental", options_.experimental ? "true" : "false"}}}};
  return version;
}

Task<DiskUsage> SystemService::disk_usage(DiskUsageQuery query) {
  DiskUsage usage;
  if (query.images) {
    usage.images = co_await parts_.images();
    usage.layers_size = co_await parts_.layers_size();
  }
  if (query.images || query.containers) {
    std::vector<ContainerSummary> containers = co_await parts_.containers();
    if (query.images) count_users(*usage.images, containers);
    if (query.containers) usage.containers = std::move(containers);
  }
  if (query.volumes) usage.volumes = co_await parts_.volumes();
  if (query.build_cache) usage.build_cache.emplace();
  co_return usage;
}

}  // namespace

std::string load_engine_id(const std::string& data_root) {
  const std::string path = data_root + "/engine-id";
  if (const auto kept = sys::read_file_if_exists(path, 4096)) {
    const std::string id{trim(*kept)};
    if (!id.empty()) return id;
  }
  std::string id = random_hex(16);  // a version 4 UUID
  id[12] = '4';
  id[16] = "89ab"[static_cast<unsigned char>(id[16]) % 4];
  for (const std::size_t at : {8, 13, 18, 23}) id.insert(at, 1, '-');
  sys::write_file_durably(path, id, 0600);
  return id;
}

std::unique_ptr<System> make_system(SystemOptions options, SystemParts parts) {
  return std::make_unique<SystemService>(std::move(options), std::move(parts));
}

}  // namespace berth::engine
