#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "container/config.h"
#include "container/record.h"
#include "logsink/config.h"

/// The values of log options, with Go's and Docker's words for what is wrong with them.
namespace berth::engine::setup {

using LogOptions = std::map<std::string, std::string>;

/// nullptr when it was not given. An empty value counts as given, as in Docker.
const std::string* find_option(const LogOptions& options, const std::string& name);
std::string option(const LogOptions& options, const std::string& name);  ///< "" when it was not given

/// "10m", "1.5 kB", "20MiB"; a kilobyte is 1000 bytes in human sizes and 1024 in RAM's.
std::uint64_t parse_human_size(std::string_view text);
std::uint64_t parse_ram_size(std::string_view text);
std::int64_t parse_int(std::string_view text);
bool parse_bool(std::string_view text);
std::chrono::nanoseconds parse_duration(std::string_view text);

struct Url {
  std::string scheme, host, path;  ///< host with its port
};
Url parse_url(std::string_view text);
/// "host:port", "[::1]:port"; nullopt when there is no port.
struct HostPort {
  std::string host, port;
};
std::optional<HostPort> split_host_port(std::string_view text);

/// Labels and variables that the options labels, env and their -regex ask for. Throws invalid.
std::map<std::string, std::string> extra_attributes(const container::Record& record);
/// The option `tag`, a template of Go's, or `fallback`. Throws invalid.
std::string log_tag(const container::Record& record, const std::string& fallback);

std::string log_host_name();  ///< of this host; throws system

// log_sinks.cc: drivers that send entries elsewhere.
bool is_sink_driver(const std::string& driver);
/// What `docker create` refuses. Throws invalid.
void check_sink(const std::string& driver, const LogOptions& options);
/// What only a start refuses.
logsink::Config sink_config(const container::Record& record);

}  // namespace berth::engine::setup
