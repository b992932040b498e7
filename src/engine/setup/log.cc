// Log drivers: what may be asked for, and where a container's log goes.
#include <algorithm>
#include <set>

#include "base/core/binary.h"
#include "base/core/error.h"
#include "base/core/text.h"
#include "base/json/json.h"
#include "engine/setup/log_options.h"
#include "engine/setup/parts.h"
#include "logfile/record.h"

namespace berth::engine::setup {
namespace {

// Docker's json-file has no limit: a container that talks too much fills the disk. One that nobody chose is bounded.
constexpr std::uint64_t kJsonMaxSize = 100'000'000;
constexpr std::uint32_t kJsonMaxFiles = 10;
// Docker's, of `local` and of the cache beside a sink.
constexpr std::uint64_t kLocalMaxSize = 20 << 20;
constexpr std::uint32_t kLocalMaxFiles = 5;
// A spool that is no cache: enough for a sink to be away for a while.
constexpr std::uint64_t kSpoolMaxSize = 5 << 20;
constexpr std::uint64_t kWaitingMinSize = 1 << 20;  // so that what comes at once fits into one file
constexpr std::uint32_t kWaitingMinFiles = 3;
constexpr std::uint64_t kRingBytes = 1'000'000;

bool is_cache_option(std::string_view name) {
  static const std::set<std::string_view> kNames{"cache-disabled", "cache-max-file",  "cache-max-size",
                                                 "cache-compress", "cache-labels",    "cache-labels-regex",
                                                 "cache-env",      "cache-env-regex", "cache-tag"};
  return kNames.contains(name);
}

bool is_builtin(std::string_view name) { return name == "mode" || name == "max-buffer-size" || is_cache_option(name); }

void check_file_names(const LogOptions& options, std::string_view message_end) {
  static const std::set<std::string_view> kKnown{"max-file",     "max-size", "compress",  "labels",
                                                 "labels-regex", "env",      "env-regex", "tag"};
  for (const auto& [name, value] : options) {
    if (!kKnown.contains(name)) throw invalid(cat("unknown log opt '", name, "' for ", message_end));
  }
}

/// What Docker checks of every driver's options.
void check_common(const LogOptions& options) {
  const std::string mode = option(options, "mode");
  if (!mode.empty() && mode != "blocking" && mode != "non-blocking") {
    throw invalid(cat("logger: logging mode not supported: ", mode));
  }
  if (const std::string* size = find_option(options, "max-buffer-size")) {
    if (mode != "non-blocking") {
      throw invalid("logger: max-buffer-size option is only supported with 'mode=non-blocking'");
    }
    try {
      parse_ram_size(*size);
    } catch (const Error& error) {
      throw invalid(cat("error parsing option max-buffer-size: ", error.text()));
    }
  }
  if (const std::string disabled = option(options, "cache-disabled"); !disabled.empty()) {
    try {
      parse_bool(disabled);
    } catch (const Error&) {
      throw invalid(cat("invalid value for option cache-disabled: ", disabled));
    }
  }
}

struct FileLimits {
  std::uint64_t max_size = 0;
  std::uint32_t max_files = 1;
  bool compress = false;
};

FileLimits json_limits(const LogOptions& options) {
  FileLimits limits;
  const std::string* size = find_option(options, "max-size");
  if (size != nullptr) {
    limits.max_size = parse_human_size(*size);
    if (limits.max_size == 0) throw invalid("max-size must be a positive number");
  }
  const std::string* files = find_option(options, "max-file");
  if (files != nullptr) {
    const std::int64_t count = parse_int(*files);
    if (count < 1) throw invalid("max-file cannot be less than 1");
    limits.max_files = static_cast<std::uint32_t>(std::min<std::int64_t>(count, 1 << 30));
  }
  if (const std::string* compress = find_option(options, "compress")) {
    limits.compress = parse_bool(*compress);
    if (limits.compress && (limits.max_files == 1 || size == nullptr)) {
      throw invalid("compress cannot be true when max-file is less than 2 or max-size is not set");
    }
  }
  if (size == nullptr) {
    limits.max_size = kJsonMaxSize;
    if (files == nullptr) limits.max_files = kJsonMaxFiles;
  }
  return limits;
}

/// `prefix`: "" or "cache-".
FileLimits local_limits(const LogOptions& options, const std::string& prefix) {
  FileLimits limits{.max_size = kLocalMaxSize, .max_files = kLocalMaxFiles, .compress = true};
  const auto value = [&](const std::string& name, std::string_view complaint, const auto& parse) {
    const std::string* text = find_option(options, prefix + name);
    if (text == nullptr) return;
    try {
      parse(*text);
    } catch (const Error& error) {
      throw invalid(cat(complaint, error.text()));
    }
  };
  value("max-size", cat("invalid value for max-size: ", option(options, prefix + "max-size"), ": "),
        [&](const std::string& text) { limits.max_size = parse_human_size(text); });
  std::int64_t files = limits.max_files;
  value("max-file", cat("invalid value for max-file: ", option(options, prefix + "max-file"), ": "),
        [&](const std::string& text) { files = parse_int(text); });
  value("compress",
        "invalid boolean value for compress: ", [&](const std::string& text) { limits.compress = parse_bool(text); });
  if (files < 0) throw invalid("max-file must not be negative");
  if (limits.compress && files <= 1) throw invalid("compression cannot be enabled when max file count is 1");
  limits.max_files = static_cast<std::uint32_t>(std::clamp<std::int64_t>(files, 1, 1 << 30));
  return limits;
}

void apply(const FileLimits& limits, runtime::shim::LogTarget& target) {
  target.max_size_bytes = limits.max_size;
  target.max_files = limits.max_files;
  target.compress = limits.compress;
}

std::map<std::string, std::string> attributes_of(const container::Record& record) {
  std::map<std::string, std::string> attributes = extra_attributes(record);
  if (const std::string tag = log_tag(record, ""); !tag.empty()) attributes["tag"] = tag;
  return attributes;
}

/// The file that a sink's entries go through. Without a cache it only has to bridge the time that a sink is away.
void set_spool(const container::Record& record, runtime::shim::LogTarget& target) {
  const LogOptions& options = record.host_config.log_config.config;
  target.driver = "local";
  if (has_log_cache(record)) {
    try {
      apply(local_limits(options, "cache-"), target);
    } catch (const Error& error) {
      throw invalid(cat("error initializing local log cache driver: ", error.text()));
    }
  } else {
    apply({.max_size = kSpoolMaxSize, .max_files = kLocalMaxFiles, .compress = false}, target);
    target.forget_when_sent = true;
  }
  target.wait_for_sink = option(options, "mode") == "blocking";
  if (target.wait_for_sink) {
    target.max_size_bytes = std::max(target.max_size_bytes, kWaitingMinSize);
    target.max_files = std::max(target.max_files, kWaitingMinFiles);
  }
  logsink::Config config = sink_config(record);
  config.log_path = target.path;
  if (const std::string* size = find_option(options, "max-buffer-size")) config.backlog_bytes = parse_ram_size(*size);
  target.sink = binary::encode(config);
}

void set_file(const container::Record& record, runtime::shim::LogTarget& target) {
  const LogOptions& options = record.host_config.log_config.config;
  const std::map<std::string, std::string> attributes = attributes_of(record);
  if (target.driver == "local") {
    apply(local_limits(options, ""), target);
    target.attributes = logfile::encode_attributes(attributes);
  } else {
    apply(json_limits(options), target);
    if (!attributes.empty()) target.attributes = json::to_json(attributes);
  }
  if (option(options, "mode") == "non-blocking") {
    const std::string* size = find_option(options, "max-buffer-size");
    target.ring_bytes = size == nullptr ? kRingBytes : parse_ram_size(*size);
  }
}

}  // namespace

void check_log(const container::LogConfig& log) {
  if (log.type.empty() || log.type == "none") return;
  check_common(log.config);
  LogOptions own;
  for (const auto& [name, value] : log.config) {
    if (!is_builtin(name)) own[name] = value;
  }
  if (is_sink_driver(log.type)) return check_sink(log.type, own);
  if (log.type == "json-file") return check_file_names(own, "json-file log driver");
  if (log.type == "local") return check_file_names(own, "log driver local");
  for (const std::string_view name : {"awslogs", "gcplogs", "splunk", "etwlogs"}) {
    if (log.type == name) throw not_implemented(cat("log driver '", name, "' is not implemented by Berth"));
  }
  throw invalid(cat("logger: no log driver named '", log.type, "' is registered"));
}

void default_log(container::LogConfig& log, const container::LogConfig& defaults) {
  if (log.type.empty()) log.type = defaults.type;
  const bool same = log.type == defaults.type;
  for (const auto& [name, value] : defaults.config) {
    if (same || is_cache_option(name)) log.config.emplace(name, value);
  }
}

}  // namespace berth::engine::setup

namespace berth::engine {

void check_log_defaults(const container::LogConfig& log) {
  try {
    setup::check_log(log);
  } catch (Error& error) {
    if (!log.config.empty()) error.during("failed to set log opts");
    throw;
  }
}

const std::vector<std::string>& log_drivers() {
  static const std::vector<std::string> drivers{"fluentd", "gelf", "journald", "json-file", "local", "syslog"};
  return drivers;
}

bool has_log_cache(const container::Record& record) {
  const std::string disabled = setup::option(record.host_config.log_config.config, "cache-disabled");
  return disabled.empty() || !setup::parse_bool(disabled);
}

std::optional<LogFiles> log_files_of(const container::Record& record, const std::string& container_dir) {
  const std::string& driver = record.host_config.log_config.type;
  if (driver == "none" || driver.empty()) return std::nullopt;
  if (driver == "json-file") return LogFiles{.path = record.log_path, .format = logfile::Format::json};
  if (driver == "local") return LogFiles{.path = container_dir + "/local-logs/container.log"};
  return LogFiles{.path = container_dir + "/container-cached.log"};
}

runtime::shim::LogTarget log_target_of(const container::Record& record, const std::string& container_dir,
                                       const std::string& helper_path) {
  runtime::shim::LogTarget target;
  const std::optional<LogFiles> files = log_files_of(record, container_dir);
  target.driver = files ? record.host_config.log_config.type : "none";
  if (!files) return target;
  target.path = files->path;
  target.helper_path = helper_path;
  try {
    setup::is_sink_driver(target.driver) ? setup::set_spool(record, target) : setup::set_file(record, target);
  } catch (const Error& error) {
    throw system_error(cat("failed to create task for container: failed to initialize logging driver: ", error.text()));
  }
  return target;
}

}  // namespace berth::engine
