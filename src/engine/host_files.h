#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "container/record.h"
#include "network/network.h"

/// The files about names that a container sees in /etc, as Docker makes them.
namespace berth::engine {

struct HostsFile {
  std::string hostname, domainname;
  std::vector<std::string> addresses;    ///< the container's own
  std::vector<std::string> extra_hosts;  ///< "name:address", as --add-host gives them
  std::string host_gateway;              ///< what the address "host-gateway" stands for
};
std::string make_hosts(const HostsFile& wanted);

/// Appends extra_hosts to the host's own file (--network host).
std::string extend_hosts(std::string_view host_file, const HostsFile& wanted);

struct ResolvConf {
  std::vector<std::string> nameservers, search, options;  ///< empty: what the host has
};
/// `host_file` is the host's resolv.conf. With `own_network`, nameservers that only the host reaches (127.0.0.0/8, ::1)
/// are left out, and public ones stand in when none is left.
std::string make_resolv_conf(std::string_view host_file, const ResolvConf& wanted, bool own_network);

/// What a container's three files are made from.
struct HostFilesPlan {
  std::string dir;        ///< where they lie
  std::string donor_dir;  ///< --network container:ID: the files of that container are taken
  bool own_network = true;
  std::string hostname;
  HostsFile hosts;
  ResolvConf resolv_conf;
};
/// All three. They are mounted into the container file by file, so they are written in place and never replaced.
void write_host_files(const HostFilesPlan& plan);
/// hosts alone, once the addresses are known.
void write_hosts(const HostFilesPlan& plan);

}  // namespace berth::engine
