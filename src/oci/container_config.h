#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json/json.h"

namespace berth::oci {

/// Cmd, Entrypoint, Shell: a list, or one string (then read as a list of one). Null and [] differ for Docker:
/// "not given" against "given as empty".
struct StringList {
  std::vector<std::string> items;
  bool given = false;  ///< false prints null
  bool empty() const { return items.empty(); }
  static void read_json(const boost::json::value& in, StringList& out);
  static void write_json(std::string& out, const StringList& value);
  static void describe(auto& self, auto&& field) {
    field("items", self.items);
    field("given", self.given);
  }
  bool operator==(const StringList&) const = default;
};

struct HealthConfig {
  std::vector<std::string> test;
  std::int64_t interval = 0, timeout = 0, start_period = 0, start_interval = 0;  ///< nanoseconds
  std::int64_t retries = 0;
  static void describe(auto& self, auto&& field) {
    field("Test", self.test, json::omit_empty);
    field("Interval", self.interval, json::omit_empty);
    field("Timeout", self.timeout, json::omit_empty);
    field("StartPeriod", self.start_period, json::omit_empty);
    field("StartInterval", self.start_interval, json::omit_empty);
    field("Retries", self.retries, json::omit_empty);
  }
};

/// The portable part of a container's configuration; an image's config has the same shape.
struct ContainerConfig {
  static constexpr std::string_view kGoName = "ContainerConfigWrapper";
  std::string hostname, domainname, user;
  bool attach_stdin = false, attach_stdout = false, attach_stderr = false;
  std::map<std::string, json::Empty> exposed_ports;  ///< "80/tcp"
  bool tty = false, open_stdin = false, stdin_once = false;
  std::vector<std::string> env;  ///< "K=V"; "K" alone removes what the image set
  StringList cmd;
  std::optional<HealthConfig> healthcheck;
  bool args_escaped = false;
  std::string image;
  std::map<std::string, json::Empty> volumes;  ///< container paths of anonymous volumes
  std::string working_dir;
  StringList entrypoint;
  bool network_disabled = false;
  std::string mac_address;
  std::vector<std::string> on_build;
  std::map<std::string, std::string> labels;
  std::string stop_signal;
  std::optional<std::int64_t> stop_timeout;  ///< seconds
  StringList shell;

  static void describe(auto& self, auto&& field) {
    field("Hostname", self.hostname);
    field("Domainname", self.domainname);
    field("User", self.user);
    field("AttachStdin", self.attach_stdin);
    field("AttachStdout", self.attach_stdout);
    field("AttachStderr", self.attach_stderr);
    field("ExposedPorts", self.exposed_ports, json::omit_empty);
    field("Tty", self.tty);
    field("OpenStdin", self.open_stdin);
    field("StdinOnce", self.stdin_once);
    field("Env", self.env);
    field("Cmd", self.cmd);
    field("Healthcheck", self.healthcheck, json::omit_empty);
    field("ArgsEscaped", self.args_escaped, json::omit_empty);
    field("Image", self.image);
    field("Volumes", self.volumes, json::null_if_empty);
    field("WorkingDir", self.working_dir);
    field("Entrypoint", self.entrypoint);
    field("NetworkDisabled", self.network_disabled, json::omit_empty);
    field("MacAddress", self.mac_address, json::omit_empty);
    field("OnBuild", self.on_build, json::null_if_empty);
    field("Labels", self.labels);
    field("StopSignal", self.stop_signal, json::omit_empty);
    field("StopTimeout", self.stop_timeout, json::omit_empty);
    field("Shell", self.shell, json::omit_empty);
  }
};

}  // namespace berth::oci
