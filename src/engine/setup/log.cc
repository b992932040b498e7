#include <algorithm>
#include <regex>
#include <set>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/json/json.h"
#include "engine/setup/parts.h"

namespace berth::engine::setup {

namespace {

constexpr std::string_view kJsonFile = "json-file";
constexpr std::size_t kRegexLimit = 1024;  // std::regex goes one call deeper with each character, of pattern and text

std::string option(const container::LogConfig& log, const std::string& name) {
  const auto found = log.config.find(name);
  return found == log.config.end() ? "" : found->second;
}

/// "10m", "512kb", "1g", "4096": go-units' RAMInBytes for whole numbers. Throws invalid.
std::uint64_t parse_size(std::string_view text) {
  const Error bad = invalid(cat("invalid size: '", text, "'"));
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto number = parse_number<std::uint64_t>(text.substr(0, digits));
  if (!number) throw bad;
  std::string unit = to_lower(trim(text.substr(digits)));
  if (unit.ends_with("ib")) unit.resize(unit.size() - 2);
  if (unit.size() == 2 && unit.back() == 'b') unit.pop_back();
  if (unit.empty() || unit == "b") return *number;
  const std::size_t power = std::string_view{"kmgtp"}.find(unit);
  if (power == std::string_view::npos || unit.size() != 1) throw bad;
  const unsigned shift = 10 * (static_cast<unsigned>(power) + 1);
  if (*number > (~std::uint64_t{0} >> 1 >> shift)) throw bad;
  return *number << shift;
}

void check_json_file(const container::LogConfig& log) {
  static const std::set<std::string_view> kKnown{"max-file", "max-size",  "compress", "labels", "labels-regex",
                                                 "env",      "env-regex", "tag",      "mode",   "max-buffer-size"};
  for (const auto& [name, value] : log.config) {
    if (!kKnown.contains(name)) throw invalid(cat("unknown log opt '", name, "' for json-file log driver"));
  }
  const std::string mode = option(log, "mode");
  if (!mode.empty() && mode != "blocking" && mode != "non-blocking") {
    throw invalid(cat("logger: logging mode not supported: ", mode));
  }
  if (mode == "non-blocking") throw not_implemented("log mode non-blocking is not implemented by Berth yet");
  if (!option(log, "max-buffer-size").empty()) {
    throw invalid("logger: max-buffer-size option is only supported with 'mode=non-blocking'");
  }
  if (const std::string size = option(log, "max-size"); !size.empty()) parse_size(size);
  if (const std::string files = option(log, "max-file"); !files.empty()) {
    const auto count = parse_number<std::int32_t>(files);
    if (!count) throw invalid(cat("strconv.Atoi: parsing ", quoted(files), ": invalid syntax"));
    if (*count < 1) throw invalid("max-file cannot be less than 1");
  }
  const std::string compress = option(log, "compress");
  if (compress == "true" || compress == "1") throw not_implemented("compressed logs are not implemented by Berth yet");
  for (const std::string name : {"labels-regex", "env-regex"}) {
    if (option(log, name).size() > kRegexLimit) throw invalid(cat("log opt '", name, "' is too long"));
    try {
      std::regex{option(log, name)};
    } catch (const std::regex_error&) {
      throw invalid(cat("error parsing regexp: ", option(log, name)));
    }
  }
}

/// Names listed by `option` ("a,b"), or matched by `option`-regex.
bool is_wanted(const container::LogConfig& log, const std::string& name, const std::string& key) {
  const std::vector<std::string> names = split(option(log, name), ',');
  if (std::ranges::find(names, key) != names.end()) return true;
  const std::string pattern = option(log, name + "-regex");
  return !pattern.empty() && key.size() <= kRegexLimit && std::regex_search(key, std::regex{pattern});
}

std::string attributes_of(const container::Record& record) {
  const container::LogConfig& log = record.host_config.log_config;
  std::map<std::string, std::string> attributes;
  for (const auto& [key, value] : record.config.labels) {
    if (is_wanted(log, "labels", key)) attributes[key] = value;
  }
  for (const std::string& entry : record.config.env) {
    const std::size_t equals = entry.find('=');
    if (equals == std::string::npos) continue;
    const std::string key = entry.substr(0, equals);
    if (is_wanted(log, "env", key)) attributes[key] = entry.substr(equals + 1);
  }
  if (const std::string tag = option(log, "tag"); !tag.empty()) attributes["tag"] = tag;
  return attributes.empty() ? "" : json::to_json(attributes);
}

}  // namespace

void check_log(const container::LogConfig& log) {
  static const std::set<std::string_view> kLater{"local",   "syslog", "journald", "gelf",   "fluentd",
                                                 "awslogs", "splunk", "gcplogs",  "etwlogs"};
  if (log.type.empty() || log.type == "none") return;
  if (kLater.contains(log.type)) {
    throw not_implemented(cat("log driver '", log.type, "' is not implemented by Berth yet: use json-file or none"));
  }
  if (log.type != kJsonFile) throw invalid(cat("logger: no log driver named '", log.type, "' is registered"));
  check_json_file(log);
}

}  // namespace berth::engine::setup

namespace berth::engine {

runtime::shim::LogTarget log_target_of(const container::Record& record) {
  const container::LogConfig& log = record.host_config.log_config;
  runtime::shim::LogTarget target;
  target.driver = log.type == "none" ? "none" : "json-file";
  if (target.driver == "none") return target;
  target.path = record.log_path;
  if (const std::string size = setup::option(log, "max-size"); !size.empty()) {
    target.max_size_bytes = setup::parse_size(size);
  }
  target.max_files = parse_number<std::uint32_t>(setup::option(log, "max-file")).value_or(1);
  target.attributes_json = setup::attributes_of(record);
  return target;
}

}  // namespace berth::engine
