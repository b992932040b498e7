#pragma once

#include <boost/json/object.hpp>
#include <map>
#include <string>
#include <vector>

/// Values of `run`'s flags in the shapes of HostConfig. All throw invalid with docker's texts.
namespace berth::cli {

boost::json::object parse_ulimit(const std::string& spec);                       ///< nofile=1024:2048
boost::json::object parse_device(const std::string& spec);                       ///< /dev/a[:/dev/b][:rwm]
bool is_cdi_device(const std::string& spec);                                     ///< vendor.com/class=name
boost::json::object parse_weight_device(const std::string& spec);                ///< /dev/sda:200
boost::json::object parse_throttle_device(const std::string& spec, bool bytes);  ///< /dev/sda:1mb, /dev/sda:1000
boost::json::object parse_gpus(const std::string& spec);            ///< all, 2, device=0,1; a DeviceRequest
boost::json::object parse_restart_policy(const std::string& spec);  ///< on-failure:3
std::int64_t parse_memory_swap(const std::string& spec);            ///< bytes, or -1
std::string parse_extra_host(const std::string& spec);              ///< host:ip, host=ip -> host:ip

/// "K=V" pairs as a map; a pair without "=" has "" for its value.
std::map<std::string, std::string> pairs_to_map(const std::vector<std::string>& pairs);
/// Files of K=V lines, then single ones; K alone takes its value from our own environment.
std::vector<std::string> read_environment(const std::vector<std::string>& files, const std::vector<std::string>& given);
std::map<std::string, std::string> read_labels(const std::vector<std::string>& files,
                                               const std::vector<std::string>& given);

struct SecurityOptions {
  std::vector<std::string> options;
  bool unconfined_paths = false;  ///< systempaths=unconfined
};
/// Reads the file of seccomp=FILE, as the daemon wants the profile itself.
SecurityOptions parse_security(const std::vector<std::string>& given);

}  // namespace berth::cli
