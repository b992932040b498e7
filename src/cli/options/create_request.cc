#include <algorithm>
#include <boost/json/value.hpp>

#include "base/core/error.h"
#include "base/core/text.h"
#include "cli/options/container_flags.h"
#include "cli/options/mounts.h"
#include "cli/options/networks.h"
#include "cli/options/ports.h"
#include "cli/options/resources.h"

namespace berth::cli {

namespace json = boost::json;

namespace {

json::array array_of(const std::vector<std::string>& texts) {
  json::array out;
  for (const std::string& text : texts) out.emplace_back(text);
  return out;
}

json::object object_of(const std::map<std::string, std::string>& map) {
  json::object out;
  for (const auto& [key, value] : map) out[key] = value;
  return out;
}

void put(json::object& out, std::string_view name, const std::string& text) {
  if (!text.empty()) out[name] = text;
}
void put(json::object& out, std::string_view name, std::int64_t number) {
  if (number != 0) out[name] = number;
}
void put_flag(json::object& out, std::string_view name, bool on) {
  if (on) out[name] = true;
}
void put(json::object& out, std::string_view name, const std::vector<std::string>& texts) {
  if (!texts.empty()) out[name] = array_of(texts);
}

template <class Parse>
json::array each(const std::vector<std::string>& specs, Parse parse) {
  json::array out;
  for (const std::string& spec : specs) out.emplace_back(parse(spec));
  return out;
}

void choose_streams(const ContainerFlags& v, CreateRequest& out) {
  out.open_stdin = v.interactive;
  out.tty = v.tty;
  for (const std::string& stream : v.attach) {
    const std::string name = to_lower(stream);
    if (name == "stdin")
      out.attach_stdin = true;
    else if (name == "stdout")
      out.attach_stdout = true;
    else
      out.attach_stderr = true;
  }
  if (v.attach.empty()) {
    out.attach_stdout = out.attach_stderr = true;
    out.attach_stdin = v.interactive;
  }
}

void add_health(const ContainerFlags& v, json::object& config) {
  json::object health;
  if (!v.health_command.empty()) health["Test"] = json::array{"CMD-SHELL", json::value(v.health_command)};
  const auto positive = [](std::int64_t value, std::string_view flag) {
    if (value < 0) throw invalid(cat("--", flag, " cannot be negative"));
  };
  positive(v.health_interval, "health-interval");
  positive(v.health_timeout, "health-timeout");
  positive(v.health_retries, "health-retries");
  positive(v.health_start, "health-start-period");
  positive(v.health_start_interval, "health-start-interval");
  put(health, "Interval", v.health_interval);
  put(health, "Timeout", v.health_timeout);
  put(health, "StartPeriod", v.health_start);
  put(health, "StartInterval", v.health_start_interval);
  put(health, "Retries", v.health_retries);
  if (v.no_health && !health.empty()) throw invalid("--no-healthcheck conflicts with --health-* options");
  if (v.no_health) health["Test"] = json::array{"NONE"};
  if (!health.empty()) config["Healthcheck"] = std::move(health);
}

json::object make_config(const ContainerFlags& v, const FlagSet& flags, const std::vector<std::string>& arguments,
                         const CreateRequest& streams) {
  json::object config{{"Image", arguments.front()},
                      {"AttachStdin", streams.attach_stdin},
                      {"AttachStdout", streams.attach_stdout},
                      {"AttachStderr", streams.attach_stderr},
                      {"Tty", v.tty},
                      {"OpenStdin", v.interactive},
                      {"StdinOnce", v.interactive && streams.attach_stdin}};
  if (arguments.size() > 1) config["Cmd"] = array_of({arguments.begin() + 1, arguments.end()});
  if (flags.changed("entrypoint")) config["Entrypoint"] = json::array{json::value(v.entrypoint)};
  put(config, "Env", read_environment(v.environment_files, v.environment));
  const auto labels = read_labels(v.label_files, v.labels);
  if (!labels.empty()) config["Labels"] = object_of(labels);
  put(config, "Hostname", v.hostname);
  put(config, "Domainname", v.domain_name);
  put(config, "User", v.user);
  put(config, "WorkingDir", v.work_dir);
  put(config, "StopSignal", v.stop_signal);
  put(config, "MacAddress", v.mac);
  if (flags.changed("stop-timeout")) config["StopTimeout"] = v.stop_timeout;
  add_health(v, config);
  return config;
}

void add_resources(const ContainerFlags& v, const FlagSet& flags, json::object& host) {
  put(host, "Memory", v.memory);
  put(host, "MemoryReservation", v.memory_reservation);
  put(host, "MemorySwap", v.memory_swap);
  put(host, "KernelMemory", v.kernel_memory);
  put(host, "ShmSize", v.shm_size);
  put(host, "NanoCpus", v.nano_cpus);
  put(host, "CpuShares", v.cpu_shares);
  put(host, "CpuPeriod", v.cpu_period);
  put(host, "CpuQuota", v.cpu_quota);
  put(host, "CpuRealtimePeriod", v.cpu_rt_period);
  put(host, "CpuRealtimeRuntime", v.cpu_rt_runtime);
  put(host, "CpusetCpus", v.cpus);
  put(host, "CpusetMems", v.mems);
  put(host, "OomScoreAdj", v.oom_score);
  put(host, "HealthcheckOnFailureAction", v.health_on_failure);
  put(host, "BlkioWeight", v.blkio_weight);
  if (v.memory_swappiness != -1 && (v.memory_swappiness < 0 || v.memory_swappiness > 100)) {
    throw invalid(cat("invalid value: ", v.memory_swappiness, ". Valid memory swappiness range is 0-100"));
  }
  if (v.memory_swappiness != -1) host["MemorySwappiness"] = v.memory_swappiness;
  if (flags.changed("pids-limit")) host["PidsLimit"] = v.pids;
  if (flags.changed("oom-kill-disable")) host["OomKillDisable"] = v.oom_kill_disable;
  if (!v.ulimits.empty()) host["Ulimits"] = each(v.ulimits, parse_ulimit);
  if (!v.weight_devices.empty()) host["BlkioWeightDevice"] = each(v.weight_devices, parse_weight_device);
  const auto bytes = [](const std::string& spec) { return parse_throttle_device(spec, true); };
  const auto count = [](const std::string& spec) { return parse_throttle_device(spec, false); };
  if (!v.read_bps.empty()) host["BlkioDeviceReadBps"] = each(v.read_bps, bytes);
  if (!v.write_bps.empty()) host["BlkioDeviceWriteBps"] = each(v.write_bps, bytes);
  if (!v.read_iops.empty()) host["BlkioDeviceReadIOps"] = each(v.read_iops, count);
  if (!v.write_iops.empty()) host["BlkioDeviceWriteIOps"] = each(v.write_iops, count);
}

void add_devices(const ContainerFlags& v, json::object& host) {
  json::array devices, requests, cdi;
  for (const std::string& spec : v.devices) {
    if (is_cdi_device(spec))
      cdi.emplace_back(spec);
    else
      devices.emplace_back(parse_device(spec));
  }
  for (const std::string& spec : v.gpus) requests.emplace_back(parse_gpus(spec));
  if (!cdi.empty()) requests.emplace_back(json::object{{"Driver", "cdi"}, {"DeviceIDs", std::move(cdi)}});
  if (!devices.empty()) host["Devices"] = std::move(devices);
  if (!requests.empty()) host["DeviceRequests"] = std::move(requests);
  put(host, "DeviceCgroupRules", v.device_rules);
}

void check_mode(const std::string& mode, std::string_view flag, std::string_view name,
                std::initializer_list<std::string_view> allowed) {
  if (std::ranges::find(allowed, mode) == allowed.end()) throw invalid(cat("--", flag, ": invalid ", name, " mode"));
}

/// "net_admin" as "CAP_NET_ADMIN", each once and in order.
std::vector<std::string> capability_names(const std::vector<std::string>& given) {
  std::vector<std::string> names;
  for (const std::string& text : given) {
    std::string name{trim(text)};
    std::ranges::transform(name, name.begin(),
                           [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
    names.push_back(name == "ALL" || name == "RESET" || name.starts_with("CAP_") ? name : cat("CAP_", name));
  }
  std::ranges::sort(names);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

void add_security(const ContainerFlags& v, const FlagSet& flags, json::object& host) {
  if (!v.pid.starts_with("container:")) check_mode(v.pid, "pid", "PID", {"", "host"});
  check_mode(v.uts, "uts", "UTS", {"", "host"});
  check_mode(v.userns, "userns", "USER", {"", "host"});
  check_mode(v.cgroupns, "cgroupns", "CGROUP", {"", "host", "private"});
  put(host, "CapAdd", capability_names(v.cap_add));
  put(host, "CapDrop", capability_names(v.cap_drop));
  put(host, "IpcMode", v.ipc);
  put(host, "PidMode", v.pid);
  put(host, "UTSMode", v.uts);
  put(host, "UsernsMode", v.userns);
  put(host, "CgroupnsMode", v.cgroupns);
  put(host, "CgroupParent", v.cgroup_parent);
  put(host, "GroupAdd", v.groups);
  put_flag(host, "Privileged", v.privileged);
  const SecurityOptions security = parse_security(v.security);
  put(host, "SecurityOpt", security.options);
  if (security.unconfined_paths) {
    host["MaskedPaths"] = json::array{};
    host["ReadonlyPaths"] = json::array{};
  }
  if (!v.sysctls.empty()) host["Sysctls"] = object_of(pairs_to_map(v.sysctls));
  if (!v.annotations.empty()) host["Annotations"] = object_of(pairs_to_map(v.annotations));
  if (flags.changed("init")) host["Init"] = v.init;
  add_devices(v, host);
}

void add_storage(const ContainerFlags& v, json::object& config, json::object& host) {
  Volumes volumes;
  for (const std::string& spec : v.volumes) add_volume(volumes, spec);
  put(host, "Binds", volumes.binds);
  if (!volumes.anonymous.empty()) {
    json::object anonymous;
    for (const std::string& path : volumes.anonymous) anonymous[path] = json::object{};
    config["Volumes"] = std::move(anonymous);
  }
  if (!v.mounts.empty()) host["Mounts"] = each(v.mounts, parse_mount);
  json::object tmpfs;
  for (const std::string& spec : v.tmpfs) {
    const std::size_t colon = spec.find(':');
    tmpfs[spec.substr(0, colon)] = colon == std::string::npos ? "" : spec.substr(colon + 1);
  }
  if (!tmpfs.empty()) host["Tmpfs"] = std::move(tmpfs);
  put(host, "VolumesFrom", v.volumes_from);
  put(host, "VolumeDriver", v.volume_driver);
  put_flag(host, "ReadonlyRootfs", v.read_only);
  for (const std::string& option : v.storage) {
    if (option.find('=') == std::string::npos) throw invalid("invalid storage option");
  }
  if (!v.storage.empty()) host["StorageOpt"] = object_of(pairs_to_map(v.storage));
}

void add_ports(const ContainerFlags& v, json::object& config, json::object& host) {
  Ports ports;
  for (const std::string& spec : v.publish) add_published(ports, spec);
  for (const std::string& spec : v.expose) add_exposed(ports, spec);
  json::object exposed, bindings;
  for (const std::string& port : ports.exposed) exposed[port] = json::object{};
  for (const auto& [port, hosts] : ports.bindings) {
    json::array list;
    for (const HostPort& at : hosts) list.emplace_back(json::object{{"HostIp", at.ip}, {"HostPort", at.port}});
    bindings[port] = std::move(list);
  }
  if (!exposed.empty()) config["ExposedPorts"] = std::move(exposed);
  if (!bindings.empty()) host["PortBindings"] = std::move(bindings);
  put_flag(host, "PublishAllPorts", v.publish_all);
}

void add_names(const ContainerFlags& v, json::object& host) {
  if (!v.hosts.empty()) host["ExtraHosts"] = each(v.hosts, [](const std::string& s) { return parse_extra_host(s); });
  put(host, "Dns", v.dns);
  put(host, "DnsOptions", v.dns_options);
  put(host, "DnsSearch", v.dns_search);
}

void add_life(const ContainerFlags& v, json::object& host) {
  if (v.log_driver == "none" && !v.log_options.empty()) throw invalid("invalid logging opts for driver none");
  if (!v.log_driver.empty() || !v.log_options.empty()) {
    host["LogConfig"] = json::object{{"Type", v.log_driver}, {"Config", object_of(pairs_to_map(v.log_options))}};
  }
  const json::object policy = parse_restart_policy(v.restart);
  if (v.remove && v.restart != "no" && !v.restart.empty()) {
    throw invalid("conflicting options: cannot specify both --restart and --rm");
  }
  if (v.restart != "no") host["RestartPolicy"] = policy;
  put_flag(host, "AutoRemove", v.remove);
  put(host, "Runtime", v.runtime);
  put(host, "Isolation", v.isolation);
}

}  // namespace

CreateRequest make_create_request(const ContainerFlags& v, const FlagSet& flags,
                                  const std::vector<std::string>& arguments) {
  if (v.pull != "always" && v.pull != "missing" && v.pull != "never") {
    throw invalid(cat("invalid pull option: '", v.pull, "': must be one of \"always\", \"missing\" or \"never\""));
  }
  if (v.api_socket) throw not_implemented("--use-api-socket is not implemented by Berth yet");
  if (!v.no_trust) throw not_implemented("content trust is not implemented by Berth yet");
  CreateRequest out{.name = v.name, .platform = v.platform};
  choose_streams(v, out);
  json::object config = make_config(v, flags, arguments, out);
  json::object host;
  add_resources(v, flags, host);
  add_security(v, flags, host);
  add_storage(v, config, host);
  add_ports(v, config, host);
  add_names(v, host);
  add_life(v, host);
  const NetworkRequest network = make_network_request({.networks = v.networks,
                                                       .aliases = v.aliases,
                                                       .links = v.links,
                                                       .link_local = v.link_local,
                                                       .ip = v.ip,
                                                       .ip6 = v.ip6,
                                                       .mac = v.mac});
  host["NetworkMode"] = network.mode;
  put(host, "Links", network.links);
  config["HostConfig"] = std::move(host);
  if (!network.endpoints.empty()) config["NetworkingConfig"] = json::object{{"EndpointsConfig", network.endpoints}};
  out.body = std::move(config);
  return out;
}

}  // namespace berth::cli
