// Options of the drivers that send entries elsewhere.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <set>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/core/time.h"
#include "base/json/json.h"
#include "engine/setup/log_options.h"

namespace berth::engine::setup {
namespace {

using logsink::Config;

constexpr std::string_view kDefaultTag = "{{.ID}}";
constexpr std::array<std::string_view, 20> kFacilities{
    "kern",     "user", "mail",   "daemon", "auth",   "syslog", "lpr",    "news",   "uucp",   "cron",
    "authpriv", "ftp",  "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"};

void check_names(const LogOptions& options, const std::set<std::string_view>& known, std::string_view driver,
                 char quote = '\'') {
  static const std::set<std::string_view> kCommon{"env", "env-regex", "labels", "labels-regex", "tag"};
  for (const auto& [name, value] : options) {
    if (known.contains(name) || kCommon.contains(name)) continue;
    throw invalid(cat("unknown log opt ", quote, name, quote, " for ", driver, " log driver"));
  }
}

// ---- syslog

void parse_syslog_address(const LogOptions& options, Config& config) {
  const std::string address = option(options, "syslog-address");
  if (address.empty()) return;  // the local one
  const Url url = parse_url(address);
  config.network = url.scheme;
  if (url.scheme == "unix" || url.scheme == "unixgram") {
    config.path = url.path;
    if (::access(url.path.c_str(), F_OK) != 0) throw invalid(cat("stat ", url.path, ": no such file or directory"));
    return;
  }
  if (url.scheme != "udp" && url.scheme != "tcp" && url.scheme != "tcp+tls") {
    throw invalid(cat("unsupported scheme: '", url.scheme, "'"));
  }
  const auto parts = split_host_port(url.host);
  config.host = parts ? parts->host : url.host;
  config.port = parts ? parts->port : "514";
}

int parse_facility(const std::string& facility) {
  if (facility.empty()) return 3;  // daemon
  const auto found = std::ranges::find(kFacilities, facility);
  if (found != kFacilities.end()) {
    const auto index = static_cast<int>(found - kFacilities.begin());
    return index < 12 ? index : index + 4;  // 12 to 15 have no names here
  }
  const auto number = parse_number<int>(facility);
  if (!number || *number < 0 || *number > 23) throw invalid("invalid syslog facility");
  return *number;
}

Config parse_syslog(const LogOptions& options) {
  check_names(options,
              {"syslog-address", "syslog-facility", "syslog-format", "syslog-tls-ca-cert", "syslog-tls-cert",
               "syslog-tls-key", "syslog-tls-skip-verify"},
              "syslog");
  Config config;
  parse_syslog_address(options, config);
  config.facility = parse_facility(option(options, "syslog-facility"));
  config.format = option(options, "syslog-format");
  if (!config.format.empty() && config.format != "rfc3164" && config.format != "rfc5424" &&
      config.format != "rfc5424micro") {
    throw invalid("Invalid syslog format");
  }
  config.tls_ca = option(options, "syslog-tls-ca-cert");
  config.tls_cert = option(options, "syslog-tls-cert");
  config.tls_key = option(options, "syslog-tls-key");
  config.tls_skip_verify = options.contains("syslog-tls-skip-verify");  // whatever its value, as in Docker
  return config;
}

// ---- fluentd

void parse_fluentd_address(std::string address, Config& config) {
  config.network = "tcp";
  config.host = "127.0.0.1";
  config.port = "24224";
  if (address.empty()) return;
  const auto fail = [&](std::string_view why) {
    return invalid(cat("invalid fluentd-address (", address, "): ", why));
  };
  const Url url = parse_url(address.find("://") == std::string::npos ? "tcp://" + address : address);
  config.network = url.scheme == "tls" ? "tcp+tls" : url.scheme;
  if (url.scheme == "unix") {
    config.path = url.path;
    if (url.path.find_first_not_of('/') == std::string::npos) throw fail("path is empty");
    return;
  }
  if (url.scheme != "tcp" && url.scheme != "tls") throw fail(cat("unsupported scheme: '", url.scheme, "'"));
  if (!url.path.empty()) throw fail("should not contain a path element");
  const auto parts = split_host_port(url.host);
  const std::string host = parts ? parts->host : url.host;
  if (!host.empty()) config.host = host;
  if (!parts || parts->port.empty()) return;
  if (!std::ranges::all_of(parts->port, [](unsigned char c) { return std::isdigit(c) != 0; })) {
    throw fail(cat("parse ", quoted(cat(url.scheme, "://", url.host)), ": invalid port ", quoted(":" + parts->port),
                   " after host"));
  }
  if (!parse_number<std::uint16_t>(parts->port)) {
    throw fail(cat("invalid port: strconv.ParseUint: parsing ", quoted(parts->port), ": value out of range"));
  }
  config.port = parts->port;
}

std::int64_t milliseconds(std::chrono::nanoseconds time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
}

std::int64_t parse_timeout(const LogOptions& options, const std::string& name) {
  const std::string text = option(options, name);
  if (text.empty()) return 0;
  std::chrono::nanoseconds time{};
  try {
    time = parse_duration(text);
  } catch (const Error& error) {
    throw invalid(cat("invalid value for ", name, ": value must be a duration: ", error.text()));
  }
  if (time.count() < 0) {
    throw invalid(cat("invalid value for ", name, ": value must be a duration that is non-negative"));
  }
  return milliseconds(time);
}

void parse_reconnect_interval(const LogOptions& options, Config& config) {
  const std::string name = "fluentd-async-reconnect-interval", text = option(options, name);
  if (text.empty()) return;
  std::chrono::nanoseconds interval{};
  try {
    interval = parse_duration(text);
  } catch (const Error& error) {
    throw invalid(cat("invalid value for ", name, ": ", error.text()));
  }
  using namespace std::chrono_literals;
  if (interval != 0ns && (interval < 100ms || interval > 10s)) {
    throw invalid(cat("invalid value for ", name, ": value (", quoted(text), ") must be between 100ms and 10s"));
  }
  config.reconnect_interval_ms = milliseconds(interval);
}

bool parse_flag(const LogOptions& options, const std::string& name) {
  const std::string text = option(options, name);
  return !text.empty() && parse_bool(text);
}

Config parse_fluentd(const LogOptions& options) {
  check_names(options,
              {"fluentd-address", "fluentd-async", "fluentd-async-connect", "fluentd-async-reconnect-interval",
               "fluentd-buffer-limit", "fluentd-max-retries", "fluentd-request-ack", "fluentd-retry-wait",
               "fluentd-sub-second-precision", "fluentd-write-timeout", "fluentd-read-timeout"},
              "fluentd");
  Config config;
  parse_fluentd_address(option(options, "fluentd-address"), config);
  if (const std::string limit = option(options, "fluentd-buffer-limit"); !limit.empty()) {
    config.backlog_entries = parse_ram_size(limit);
  }
  config.retry_wait_ms = 1000;
  if (const std::string wait = option(options, "fluentd-retry-wait"); !wait.empty()) {
    config.retry_wait_ms = std::max<std::int64_t>(milliseconds(parse_duration(wait)), 1);
  }
  if (const std::string retries = option(options, "fluentd-max-retries"); !retries.empty()) {
    const auto count = parse_number<std::uint32_t>(retries);
    if (!count) throw invalid(cat("strconv.ParseUint: parsing ", quoted(retries), ": invalid syntax"));
    if (*count > 0x7fffffff) throw invalid("invalid fluentd-max-retries: value out of range");
    config.max_retries = *count;
  }
  config.async = parse_flag(options, "fluentd-async") || parse_flag(options, "fluentd-async-connect");
  parse_reconnect_interval(options, config);
  config.sub_second = parse_flag(options, "fluentd-sub-second-precision");
  config.request_ack = parse_flag(options, "fluentd-request-ack");
  config.write_timeout_ms = parse_timeout(options, "fluentd-write-timeout");
  config.read_timeout_ms = parse_timeout(options, "fluentd-read-timeout");
  if (!config.async) config.backlog_entries.reset();  // it bounds what waits in memory, and only async has such
  return config;
}

// ---- gelf

std::int64_t parse_not_negative(const std::string& name, const std::string& text) {
  const auto number = parse_number<std::int64_t>(text);
  if (!number || *number < 0) throw invalid(cat(quoted(name), " must be a positive integer"));
  return *number;
}

Config parse_gelf(const LogOptions& options) {
  const std::string address = option(options, "gelf-address");
  if (address.empty()) throw invalid("gelf-address is a required parameter");
  const Url url = parse_url(address);
  if (url.scheme != "udp" && url.scheme != "tcp") throw invalid("gelf: endpoint needs to be TCP or UDP");
  const auto parts = split_host_port(url.host);
  if (!parts) throw invalid("gelf: please provide gelf-address as proto://host:port");
  Config config;
  config.network = url.scheme;
  config.host = parts->host;
  config.port = parts->port;
  check_names(options,
              {"gelf-address", "gelf-compression-level", "gelf-compression-type", "gelf-tcp-max-reconnect",
               "gelf-tcp-reconnect-delay"},
              "gelf", '"');
  const auto unknown = [](const std::string& name, const std::string& value) {
    return invalid(cat("unknown value ", quoted(value), " for log opt ", quoted(name), " for gelf log driver"));
  };
  for (const std::string name : {"gelf-compression-level", "gelf-compression-type"}) {
    const std::string* value = find_option(options, name);
    if (value == nullptr) continue;
    if (config.network != "udp") throw invalid("compression is only supported on UDP");
    if (name == "gelf-compression-type") {
      config.compression = *value;
      if (*value != "gzip" && *value != "zlib" && *value != "none") throw unknown(name, *value);
    } else {
      const auto level = parse_number<int>(*value);
      if (!level || *level < -1 || *level > 9) throw unknown(name, *value);
      config.compression_level = *level;
    }
  }
  for (const std::string name : {"gelf-tcp-max-reconnect", "gelf-tcp-reconnect-delay"}) {
    const std::string* value = find_option(options, name);
    if (value == nullptr) continue;
    if (config.network != "tcp") throw invalid(cat(quoted(name), " is only valid for TCP"));
    const std::int64_t number = parse_not_negative(name, *value);
    if (name == "gelf-tcp-max-reconnect") {
      config.max_retries = static_cast<std::uint64_t>(number);
    } else {
      config.retry_wait_ms = number * 1000;
    }
  }
  return config;
}

/// What every GELF message says of its container, as the inside of a JSON object.
std::string gelf_fields(const container::Record& record, const std::string& tag) {
  std::map<std::string, std::string> fields{
      {"_container_id", record.id},
      {"_container_name", record.name},
      {"_image_id", record.image_id},
      {"_image_name", record.config.image},
      {"_command", cat(record.path, record.args.empty() ? "" : " ", join(record.args, " "))},
      {"_tag", tag},
      {"_created", format_time(Time{std::chrono::nanoseconds{record.created}})}};
  for (const auto& [key, value] : extra_attributes(record)) {
    fields[key.starts_with('_') ? key : "_" + key] = value;
  }
  const std::string object = json::to_json(fields);
  return object.substr(1, object.size() - 2);
}

// ---- journald

/// journald's fields have capital letters, digits and underscores, none of these first.
std::string journal_name(std::string_view name) {
  std::string out;
  for (char c : name) {
    const bool plain = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (c >= 'a' && c <= 'z') {
      c = static_cast<char>(c - 'a' + 'A');
    } else if (!plain) {
      c = '_';
    }
    if (!out.empty() || c != '_') out += c;
  }
  return out;
}

std::map<std::string, std::string> journal_fields(const container::Record& record, const std::string& tag) {
  std::map<std::string, std::string> fields{{"CONTAINER_ID", record.id.substr(0, 12)}, {"CONTAINER_ID_FULL", record.id},
                                            {"CONTAINER_NAME", record.name},           {"CONTAINER_TAG", tag},
                                            {"IMAGE_NAME", record.config.image},       {"SYSLOG_IDENTIFIER", tag},
                                            {"CONTAINER_LOG_EPOCH", random_id()}};
  for (const auto& [key, value] : extra_attributes(record)) {
    if (const std::string name = journal_name(key); !name.empty()) fields[name] = value;
  }
  return fields;
}

Config parse_sink(const std::string& driver, const LogOptions& options) {
  if (driver == "syslog") return parse_syslog(options);
  if (driver == "fluentd") return parse_fluentd(options);
  if (driver == "gelf") return parse_gelf(options);
  check_names(options, {}, "journald");
  Config config;
  config.network = "unixgram";
  config.path = "/run/systemd/journal/socket";
  return config;
}

}  // namespace

bool is_sink_driver(const std::string& driver) {
  return driver == "syslog" || driver == "fluentd" || driver == "gelf" || driver == "journald";
}

void check_sink(const std::string& driver, const LogOptions& options) { (void)parse_sink(driver, options); }

Config sink_config(const container::Record& record) {
  const std::string& driver = record.host_config.log_config.type;
  LogOptions own;
  for (const auto& [name, value] : record.host_config.log_config.config) {
    if (name != "mode" && name != "max-buffer-size" && !name.starts_with("cache-")) own[name] = value;
  }
  Config config = parse_sink(driver, own);
  config.driver = driver;
  config.tag = log_tag(record, std::string{kDefaultTag});
  config.host_name = log_host_name();
  config.container_id = record.id;
  config.container_name = "/" + record.name;
  if (driver == "fluentd") config.fields = extra_attributes(record);
  if (driver == "journald") config.fields = journal_fields(record, config.tag);
  if (driver == "gelf") config.json_fields = gelf_fields(record, config.tag);
  return config;
}

}  // namespace berth::engine::setup
