#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/settings.h"
#include "engine/options.h"

namespace berth {

/// Where a daemon keeps things unless it is told. Started under the name `dockerd` it uses Docker's socket, pid file
/// and configuration file, so that scripts for dockerd find it; its state is its own all the same.
struct DefaultPlaces {
  explicit DefaultPlaces(std::string_view program_name);
  std::string data_root = "/var/lib/berth", exec_root = "/run/berth", host = "unix:///run/berth.sock",
              pid_file = "/run/berth.pid", config_file = "/etc/berth/daemon.json";
};

/// From text to the engine's types. Throws invalid for values that make no sense. Paths are absolute afterwards.
engine::EngineOptions engine_options(const daemon::Settings& settings, const DefaultPlaces& places);

/// `unix:///x`, `unix://x`, `tcp://h:p`, `fd://`: what -H may say, or nullopt-like empty scheme for nonsense.
struct Host {
  std::string scheme;   ///< unix, tcp, fd
  std::string path;     ///< unix
  std::string address;  ///< tcp
  std::uint16_t port = 0;
};
/// Throws invalid ("unable to parse docker host `x`"). A TCP host without port gets 2375, or 2376 with TLS.
Host parse_host(const std::string& text, bool tls);

/// A program of ours: beside berthd, else where a package puts it. Throws system.
std::string find_helper(const std::string& name);

}  // namespace berth
