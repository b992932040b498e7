#include "cli/options/container_flags.h"

#include "base/core/text.h"
#include "cli/options/mounts.h"
#include "cli/options/resources.h"
#include "cli/text/units.h"

namespace berth::cli {

namespace {

void check_stream(const std::string& text) {
  const std::string name = to_lower(text);
  if (name != "stdin" && name != "stdout" && name != "stderr") {
    throw invalid("valid streams are STDIN, STDOUT and STDERR");
  }
}

void declare_process(FlagSet& flags, ContainerFlags& v) {
  flags.list(v.annotations, "annotation", 0, "Add an OCI annotation (passed on to the runtime)", "map");
  flags.checked_list(v.attach, "attach", 'a', "Attach to stdin, stdout or stderr", "list", check_stream);
  flags.text(v.cid_file, "cidfile", 0, "Write the container's ID to this file");
  flags.text(v.detach_keys, "detach-keys", 0, "Keys that detach from the container");
  flags.boolean(v.no_trust, "disable-content-trust", 0, "Don't check image signatures");
  flags.text(v.entrypoint, "entrypoint", 0, "Program to run instead of the image's");
  flags.checked_list(v.environment, "env", 'e', "Set an environment variable (K=V, or K to pass our own)", "list",
                     [](const std::string& text) { read_environment({}, {text}); });
  flags.list(v.environment_files, "env-file", 0, "Set the environment variables of a file");
  flags.list(v.groups, "group-add", 0, "Give the process one more group");
  flags.text(v.hostname, "hostname", 'h', "Host name inside");
  flags.text(v.domain_name, "domainname", 0, "NIS domain name inside");
  flags.boolean(v.init, "init", 0, "Run a small init that reaps children and passes signals on");
  flags.boolean(v.interactive, "interactive", 'i', "Keep stdin open");
  flags.text(v.isolation, "isolation", 0, "Isolation technology (only the default exists here)");
  flags.list(v.labels, "label", 'l', "Set a label (K=V)");
  flags.list(v.label_files, "label-file", 0, "Set the labels of a file");
  flags.text(v.name, "name", 0, "Name of the container");
  flags.text(v.platform, "platform", 0, "Platform of the image (os/arch)");
  flags.text(v.pull, "pull", 0, "Pull the image first: always, missing, never");
  flags.boolean(v.quiet, "quiet", 'q', "Don't show the pull");
  flags.text(v.restart, "restart", 0, "When to start again: no, on-failure[:N], always, unless-stopped");
  flags.boolean(v.remove, "rm", 0, "Remove the container and its anonymous volumes when it ends");
  flags.text(v.runtime, "runtime", 0, "OCI runtime to use");
  flags.text(v.stop_signal, "stop-signal", 0, "Signal that stops the container");
  flags.number(v.stop_timeout, "stop-timeout", 0, "Seconds to wait for a stop before the kill");
  flags.boolean(v.tty, "tty", 't', "Give the process a terminal");
  flags.boolean(v.api_socket, "use-api-socket", 0, "Give the container access to the daemon's socket").hidden = true;
  flags.text(v.user, "user", 'u', "Run as NAME|UID[:GROUP|GID]");
  flags.text(v.work_dir, "workdir", 'w', "Working directory inside");
}

void declare_storage(FlagSet& flags, ContainerFlags& v) {
  flags.checked_list(v.mounts, "mount", 0, "Mount something: type=bind|volume|tmpfs|image,source=…,target=…", "mount",
                     [](const std::string& text) { parse_mount(text); });
  flags.boolean(v.read_only, "read-only", 0, "Mount the root file system read-only");
  flags.list(v.storage, "storage-opt", 0, "Option of the storage driver");
  flags.list(v.tmpfs, "tmpfs", 0, "Mount a tmpfs (PATH[:OPTIONS])");
  flags.list(v.volumes, "volume", 'v', "Mount a folder or volume ([SOURCE:]PATH[:OPTIONS])");
  flags.text(v.volume_driver, "volume-driver", 0, "Driver of the volumes that are made");
  flags.list(v.volumes_from, "volumes-from", 0, "Mount the volumes of another container");
}

void declare_network(FlagSet& flags, ContainerFlags& v) {
  flags.checked_list(v.hosts, "add-host", 0, "Add a line to /etc/hosts (host:ip)", "list",
                     [](const std::string& text) { parse_extra_host(text); });
  flags.list(v.dns, "dns", 0, "DNS server");
  flags.list(v.dns_options, "dns-option", 0, "DNS option");
  flags.list(v.dns_options, "dns-opt", 0, "DNS option").hidden = true;
  flags.list(v.dns_search, "dns-search", 0, "DNS search domain");
  flags.list(v.expose, "expose", 0, "Expose a port or a range of ports");
  flags.text(v.ip, "ip", 0, "IPv4 address");
  flags.text(v.ip6, "ip6", 0, "IPv6 address");
  flags.list(v.links, "link", 0, "Link to another container");
  flags.list(v.link_local, "link-local-ip", 0, "Link-local address");
  flags.text(v.mac, "mac-address", 0, "MAC address");
  flags.list(v.networks, "network", 0, "Network to join: bridge, none, host, container:NAME, or a network's name",
             "network");
  flags.list(v.networks, "net", 0, "The same as --network", "network").hidden = true;
  flags.list(v.aliases, "network-alias", 0, "One more name in the network");
  flags.list(v.aliases, "net-alias", 0, "The same as --network-alias").hidden = true;
  flags.list(v.publish, "publish", 'p', "Publish a port to the host ([[IP:]HOST_PORT:]PORT[/PROTOCOL])");
  flags.boolean(v.publish_all, "publish-all", 'P', "Publish all exposed ports to ports that are free");
}

void declare_security(FlagSet& flags, ContainerFlags& v) {
  flags.list(v.cap_add, "cap-add", 0, "Add a capability");
  flags.list(v.cap_drop, "cap-drop", 0, "Drop a capability");
  flags.text(v.cgroup_parent, "cgroup-parent", 0, "Parent cgroup");
  flags.text(v.cgroupns, "cgroupns", 0, "Cgroup namespace: host, private");
  flags.list(v.devices, "device", 0, "Give access to a device (PATH[:PATH][:rwm])");
  flags.list(v.device_rules, "device-cgroup-rule", 0, "Add a rule to the device cgroup");
  flags.checked_list(v.gpus, "gpus", 0, "GPUs to give (all, a number, device=…)", "gpu-request",
                     [](const std::string& text) { parse_gpus(text); });
  flags.text(v.ipc, "ipc", 0, "IPC namespace: none, private, shareable, host, container:NAME");
  flags.text(v.pid, "pid", 0, "PID namespace: host, container:NAME");
  flags.boolean(v.privileged, "privileged", 0, "Give every capability and device");
  flags.list(v.security, "security-opt", 0, "Security option (seccomp=…, apparmor=…, no-new-privileges, …)");
  flags.list(v.sysctls, "sysctl", 0, "Set a kernel parameter (K=V)", "map");
  flags.text(v.userns, "userns", 0, "User namespace: host");
  flags.text(v.uts, "uts", 0, "UTS namespace: host");
}

void declare_cpu_and_io(FlagSet& flags, ContainerFlags& v) {
  flags.number(v.blkio_weight, "blkio-weight", 0, "Weight of disk access, 10 to 1000, 0 for none", "uint16");
  flags.list(v.weight_devices, "blkio-weight-device", 0, "Weight of access to one disk (PATH:WEIGHT)");
  flags.number(v.cpu_period, "cpu-period", 0, "Period of the CPU quota in microseconds");
  flags.number(v.cpu_quota, "cpu-quota", 0, "CPU time in each period in microseconds");
  flags.number(v.cpu_rt_period, "cpu-rt-period", 0, "Real-time period in microseconds");
  flags.number(v.cpu_rt_runtime, "cpu-rt-runtime", 0, "Real-time CPU time in each period in microseconds");
  flags.number(v.cpu_shares, "cpu-shares", 'c', "Weight of CPU use against others");
  flags.custom("cpus", 0, "decimal", "Number of CPUs' worth of time",
               [&v](const std::string& text) { v.nano_cpus = parse_nano_cpus(text); });
  flags.text(v.cpus, "cpuset-cpus", 0, "CPUs to run on (0-3, 0,1)");
  flags.text(v.mems, "cpuset-mems", 0, "Memory nodes to use (0-3, 0,1)");
  flags.list(v.read_bps, "device-read-bps", 0, "Limit reading from a disk (PATH:BYTES per second)");
  flags.list(v.read_iops, "device-read-iops", 0, "Limit reads from a disk (PATH:NUMBER per second)");
  flags.list(v.write_bps, "device-write-bps", 0, "Limit writing to a disk (PATH:BYTES per second)");
  flags.list(v.write_iops, "device-write-iops", 0, "Limit writes to a disk (PATH:NUMBER per second)");
}

void declare_memory_and_limits(FlagSet& flags, ContainerFlags& v) {
  flags.bytes(v.kernel_memory, "kernel-memory", 0, "Kernel memory limit").hidden = true;
  flags.bytes(v.memory, "memory", 'm', "Memory limit");
  flags.bytes(v.memory_reservation, "memory-reservation", 0, "Memory limit while memory is short");
  flags.custom("memory-swap", 0, "bytes", "Limit of memory and swap together; -1 for no limit of swap",
               [&v](const std::string& text) { v.memory_swap = parse_memory_swap(text); });
  flags.number(v.memory_swappiness, "memory-swappiness", 0, "How readily memory is swapped, 0 to 100");
  flags.boolean(v.oom_kill_disable, "oom-kill-disable", 0, "Don't kill processes when memory runs out");
  flags.number(v.oom_score, "oom-score-adj", 0, "The kernel's preference for the OOM kill, -1000 to 1000");
  flags.number(v.pids, "pids-limit", 0, "Limit of processes; -1 for none");
  flags.bytes(v.shm_size, "shm-size", 0, "Size of /dev/shm");
  flags.checked_list(v.ulimits, "ulimit", 0, "Resource limit (NAME=SOFT[:HARD])", "ulimit",
                     [](const std::string& text) { parse_ulimit(text); });
}

void declare_logs_and_health(FlagSet& flags, ContainerFlags& v) {
  flags.text(v.health_command, "health-cmd", 0, "Command that checks the container's health");
  flags.duration(v.health_interval, "health-interval", 0, "Time between two checks");
  flags.text(v.health_on_failure, "health-on-failure", 0, "When it is unhealthy: none, kill, restart or stop");
  flags.number(v.health_retries, "health-retries", 0, "Failures in a row that make it unhealthy");
  flags.duration(v.health_start, "health-start-period", 0, "Time to start in which failures don't count");
  flags.duration(v.health_start_interval, "health-start-interval", 0, "Time between checks while it starts");
  flags.duration(v.health_timeout, "health-timeout", 0, "Time that one check may take");
  flags.text(v.log_driver, "log-driver", 0, "Log driver");
  flags.list(v.log_options, "log-opt", 0, "Option of the log driver (K=V)");
  flags.boolean(v.no_health, "no-healthcheck", 0, "Turn the image's health check off");
}

}  // namespace

void declare_container_flags(FlagSet& flags, ContainerFlags& values) {
  declare_process(flags, values);
  declare_storage(flags, values);
  declare_network(flags, values);
  declare_security(flags, values);
  declare_cpu_and_io(flags, values);
  declare_memory_and_limits(flags, values);
  declare_logs_and_health(flags, values);
}

}  // namespace berth::cli
