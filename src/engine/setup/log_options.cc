#include "engine/setup/log_options.h"

#include <unistd.h>

#include <algorithm>
#include <regex>

#include "base/core/error.h"
#include "base/core/text.h"
#include "engine/go_duration.h"

namespace berth::engine::setup {
namespace {

constexpr std::size_t kRegexLimit = 1024;  // std::regex goes one call deeper with each character, of pattern and text

/// go-units: a number, perhaps a space, a unit.
std::uint64_t parse_size(std::string_view text, double kilo) {
  const Error bad = invalid(cat("invalid size: '", text, "'"));
  const std::size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
  std::string number{text.substr(0, digits)};
  std::string unit = to_lower(text.substr(digits));
  if (unit.starts_with(' ')) unit.erase(0, 1);
  constexpr std::size_t kMaxDigits = 30;
  if (number.empty() || number.size() > kMaxDigits) throw bad;
  if (number.front() == '.' || std::ranges::count(number, '.') > 1) throw bad;
  double size = std::stod(number);
  if (!unit.empty() && unit != "b") {
    const std::size_t power = std::string_view{"kmgtp"}.find(unit.front());
    const std::string_view rest = std::string_view{unit}.substr(1);
    if (power == std::string_view::npos || (!rest.empty() && rest != "b" && rest != "ib")) throw bad;
    for (std::size_t i = 0; i <= power; ++i) size *= kilo;
  }
  if (size >= 9.2e18) throw bad;
  return static_cast<std::uint64_t>(size);
}

/// Names listed by the option `name` ("a,b"), or matched by `name`-regex.
class Wanted {
 public:
  Wanted(const LogOptions& options, const std::string& name) : names_(split(option(options, name), ',')) {
    const std::string pattern = option(options, name + "-regex");
    if (pattern.empty()) return;
    if (pattern.size() > kRegexLimit) throw invalid(cat("log opt '", name, "-regex' is too long"));
    try {
      pattern_.emplace(pattern);
    } catch (const std::regex_error&) {
      throw invalid(cat("error parsing regexp: ", pattern));
    }
  }
  bool has(const std::string& key) const {
    if (std::ranges::find(names_, key) != names_.end()) return true;
    return pattern_ && key.size() <= kRegexLimit && std::regex_search(key, *pattern_);
  }

 private:
  std::vector<std::string> names_;
  std::optional<std::regex> pattern_;
};

}  // namespace

const std::string* find_option(const LogOptions& options, const std::string& name) {
  const auto found = options.find(name);
  return found == options.end() ? nullptr : &found->second;
}

std::string option(const LogOptions& options, const std::string& name) {
  const std::string* found = find_option(options, name);
  return found == nullptr ? "" : *found;
}

std::uint64_t parse_human_size(std::string_view text) { return parse_size(text, 1000); }
std::uint64_t parse_ram_size(std::string_view text) { return parse_size(text, 1024); }

std::int64_t parse_int(std::string_view text) {
  const auto number = parse_number<std::int64_t>(text.starts_with('+') ? text.substr(1) : text);
  if (!number) throw invalid(cat("strconv.Atoi: parsing ", quoted(text), ": invalid syntax"));
  return *number;
}

bool parse_bool(std::string_view text) {
  for (const std::string_view word : {"1", "t", "T", "true", "TRUE", "True"}) {
    if (text == word) return true;
  }
  for (const std::string_view word : {"0", "f", "F", "false", "FALSE", "False"}) {
    if (text == word) return false;
  }
  throw invalid(cat("strconv.ParseBool: parsing ", quoted(text), ": invalid syntax"));
}

std::chrono::nanoseconds parse_duration(std::string_view text) {
  const auto duration = parse_go_duration(text);
  if (!duration) throw invalid(cat("time: invalid duration ", quoted(text)));
  return *duration;
}

Url parse_url(std::string_view text) {
  Url url;
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || text.find('/') < colon) return {.path = std::string{text}};
  url.scheme = to_lower(text.substr(0, colon));
  text.remove_prefix(colon + 1);
  if (!text.starts_with("//")) return url;
  text.remove_prefix(2);
  const std::size_t slash = std::min(text.find('/'), text.size());
  url.host = text.substr(0, slash);
  url.path = text.substr(slash);
  return url;
}

std::optional<HostPort> split_host_port(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos || host.find(']') != std::string_view::npos) {
    return std::nullopt;
  }
  return HostPort{.host = std::string{host}, .port = std::string{text.substr(colon + 1)}};
}

// As the kernel has it: what a sink shows as the sender.
std::string log_host_name() {
  char name[256] = {};
  if (::gethostname(name, sizeof name - 1) != 0) throw errno_error("logger: can not resolve hostname", "");
  return name;
}

std::map<std::string, std::string> extra_attributes(const container::Record& record) {
  const LogOptions& options = record.host_config.log_config.config;
  std::map<std::string, std::string> attributes;
  const Wanted labels{options, "labels"}, variables{options, "env"};
  for (const auto& [key, value] : record.config.labels) {
    if (labels.has(key)) attributes[key] = value;
  }
  for (const std::string& entry : record.config.env) {
    const std::size_t equals = entry.find('=');
    if (equals == std::string::npos) continue;
    const std::string key = entry.substr(0, equals);
    if (variables.has(key)) attributes[key] = entry.substr(equals + 1);
  }
  return attributes;
}

}  // namespace berth::engine::setup
