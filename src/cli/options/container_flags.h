#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cli/flags/flag_set.h"

/// The flags that `run` and `create` share, and the request they make.
namespace berth::cli {

struct ContainerFlags {
  // What runs, and as whom
  std::vector<std::string> environment, environment_files, labels, label_files, groups, annotations;
  std::string entrypoint, user, work_dir, hostname, domain_name, stop_signal, name, platform, runtime, isolation;
  std::int64_t stop_timeout = 0;
  bool init = false, interactive = false, tty = false, read_only = false, privileged = false, remove = false;
  std::vector<std::string> attach;
  std::string cid_file, detach_keys, pull = "missing", restart = "no";
  bool quiet = false, no_trust = true, api_socket = false;
  // Storage
  std::vector<std::string> volumes, mounts, tmpfs, volumes_from, storage;
  std::string volume_driver;
  // Network
  std::vector<std::string> networks, aliases, links, link_local, publish, expose, hosts, dns, dns_options, dns_search;
  std::string ip, ip6, mac;
  bool publish_all = false;
  // Security and namespaces
  std::vector<std::string> cap_add, cap_drop, security, sysctls, devices, device_rules, gpus;
  std::string ipc, pid, uts, userns, cgroupns, cgroup_parent;
  // Resources
  std::int64_t memory = 0, memory_reservation = 0, memory_swap = 0, kernel_memory = 0, shm_size = 0, nano_cpus = 0;
  std::int64_t cpu_shares = 0, cpu_period = 0, cpu_quota = 0, cpu_rt_period = 0, cpu_rt_runtime = 0;
  std::int64_t memory_swappiness = -1, pids = 0, oom_score = 0, blkio_weight = 0;
  std::string cpus, mems;
  bool oom_kill_disable = false;
  std::vector<std::string> ulimits, weight_devices, read_bps, write_bps, read_iops, write_iops;
  // Logs and health
  std::string log_driver, health_command, health_on_failure;
  std::vector<std::string> log_options;
  std::int64_t health_interval = 0, health_timeout = 0, health_start = 0, health_start_interval = 0, health_retries = 0;
  bool no_health = false;
};

void declare_container_flags(FlagSet& flags, ContainerFlags& values);

struct CreateRequest {
  std::string name, platform;
  boost::json::object body;  ///< of POST /containers/create
  bool attach_stdin = false, attach_stdout = false, attach_stderr = false, tty = false, open_stdin = false;
};

/// Throws invalid with docker's texts. `arguments`: the image, then the command.
CreateRequest make_create_request(const ContainerFlags& values, const FlagSet& flags,
                                  const std::vector<std::string>& arguments);

}  // namespace berth::cli
