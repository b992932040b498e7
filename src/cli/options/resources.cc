#include "cli/options/resources.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>

#include "base/core/error.h"
#include "base/core/text.h"
#include "cli/options/mounts.h"
#include "cli/text/units.h"

namespace berth::cli {

namespace json = boost::json;

json::object parse_ulimit(const std::string& spec) {
  const std::size_t equals = spec.find('=');
  if (equals == std::string::npos) throw invalid(cat("invalid ulimit argument: ", spec));
  const std::string name = spec.substr(0, equals);
  static constexpr std::array<std::string_view, 16> kNames = {
      "as",   "core",   "cpu",   "data", "fsize",  "locks",  "memlock",    "msgqueue",
      "nice", "nofile", "nproc", "rss",  "rtprio", "rttime", "sigpending", "stack"};
  if (std::ranges::find(kNames, name) == kNames.end()) throw invalid(cat("invalid ulimit type: ", name));
  const std::vector<std::string> limits = split(std::string_view{spec}.substr(equals + 1), ':');
  if (limits.size() > 2) {
    throw invalid(
        cat("too many limit value arguments - ", spec.substr(equals + 1), ", can only have up to two, `soft[:hard]`"));
  }
  const auto read = [](const std::string& text) {
    const auto number = parse_number<std::int64_t>(text);
    if (!number) throw invalid(cat("strconv.ParseInt: parsing ", quoted(text), ": invalid syntax"));
    return *number;
  };
  const std::int64_t soft = read(limits.front()), hard = read(limits.back());
  if (limits.size() == 2 && hard != -1 && (soft == -1 || soft > hard)) {
    throw invalid(
        soft == -1
            ? cat("ulimit soft limit must be less than or equal to hard limit: soft: -1 (unlimited), hard: ", hard)
            : cat("ulimit soft limit must be less than or equal to hard limit: ", soft, " > ", hard));
  }
  return {{"Name", name}, {"Hard", hard}, {"Soft", soft}};
}

namespace {

bool is_device_mode(const std::string& text) {
  if (text.empty() || text.find_first_not_of("rwm") != std::string::npos) return false;
  std::string sorted = text;
  std::ranges::sort(sorted);
  return std::ranges::adjacent_find(sorted) == sorted.end();
}

std::pair<std::string, std::string> split_device_value(const std::string& spec) {
  const std::size_t colon = spec.find(':');
  if (colon == std::string::npos || spec.find(':', colon + 1) != std::string::npos) {
    throw invalid(cat("bad format: ", spec));
  }
  if (!spec.starts_with("/dev/")) throw invalid(cat("bad format for device path: ", spec));
  return {spec.substr(0, colon), spec.substr(colon + 1)};
}

}  // namespace

json::object parse_device(const std::string& spec) {
  const std::vector<std::string> parts = split(spec, ':');
  std::string inside = parts[0], mode = "rwm";
  if (parts.size() == 2) (is_device_mode(parts[1]) ? mode : inside) = parts[1];
  if (parts.size() == 3) {
    if (!parts[1].empty()) inside = parts[1];
    mode = parts[2];
  }
  if (parts.size() > 3 || parts[0].empty()) throw invalid(cat("bad format for path: ", spec));
  if (!is_device_mode(mode)) throw invalid(cat("bad mode specified: ", mode));
  return {{"PathOnHost", parts[0]}, {"PathInContainer", inside}, {"CgroupPermissions", mode}};
}

bool is_cdi_device(const std::string& spec) {
  const std::size_t slash = spec.find('/'), equals = spec.find('=');
  return !spec.starts_with('/') && slash != std::string::npos && equals != std::string::npos && slash < equals;
}

json::object parse_weight_device(const std::string& spec) {
  const auto [path, value] = split_device_value(spec);
  const auto weight = parse_number<std::uint16_t>(value);
  if (!weight || (*weight > 0 && (*weight < 10 || *weight > 1000))) {
    throw invalid(cat("invalid weight for device: ", spec));
  }
  return {{"Path", path}, {"Weight", *weight}};
}

json::object parse_throttle_device(const std::string& spec, bool bytes) {
  const auto [path, value] = split_device_value(spec);
  if (bytes) {
    try {
      return {{"Path", path}, {"Rate", parse_size(value)}};
    } catch (const Error&) {
      throw invalid(cat("invalid rate for device: ", spec,
                        ". The correct format is <device-path>:<number>[<unit>]. Number must be a positive integer. "
                        "Unit is optional and can be kb, mb, or gb"));
    }
  }
  const auto rate = parse_number<std::uint64_t>(value);
  if (!rate) {
    throw invalid(cat("invalid rate for device: ", spec,
                      ". The correct format is <device-path>:<number>. Number must be a positive integer"));
  }
  return {{"Path", path}, {"Rate", *rate}};
}

json::object parse_gpus(const std::string& spec) {
  json::object request{{"Driver", ""}, {"Count", 1}, {"Options", json::object{}}};
  json::array capabilities{"gpu"};
  bool counted = false;
  for (const std::string& field : split_csv(spec)) {
    const std::size_t equals = field.find('=');
    const std::string key = equals == std::string::npos ? "count" : to_lower(field.substr(0, equals));
    const std::string value = equals == std::string::npos ? field : field.substr(equals + 1);
    if (key == "count") {
      const auto count = parse_number<std::int64_t>(value);
      if (value != "all" && !count)
        throw invalid(cat("invalid count (", value, "): value must be either \"all\" or an integer: invalid syntax"));
      request["Count"] = value == "all" ? -1 : *count;
      counted = true;
    } else if (key == "device") {
      json::array ids;
      for (const std::string& id : split(value, ',')) ids.emplace_back(id);
      request["DeviceIDs"] = std::move(ids);
    } else if (key == "driver") {
      request["Driver"] = value;
    } else if (key == "capabilities") {
      for (const std::string& name : split(value, ',')) capabilities.emplace_back(name);
    } else {
      throw invalid(cat("unexpected key '", key, "' in '", field, "'"));
    }
  }
  if (!counted && request.contains("DeviceIDs")) request["Count"] = 0;
  // Not json::array{…}, which with one array inside is a move rather than an array of arrays.
  json::array alternatives;
  alternatives.emplace_back(std::move(capabilities));
  request["Capabilities"] = std::move(alternatives);
  return request;
}

json::object parse_restart_policy(const std::string& spec) {
  const std::size_t colon = spec.find(':');
  json::object policy{{"Name", spec.substr(0, colon)}, {"MaximumRetryCount", 0}};
  if (spec.empty()) return policy;
  if (colon == 0) throw invalid("invalid restart policy format: no policy provided before colon");
  if (colon != std::string::npos) {
    const auto count = parse_number<int>(std::string_view{spec}.substr(colon + 1));
    if (!count) throw invalid("invalid restart policy format: maximum retry count must be an integer");
    policy["MaximumRetryCount"] = *count;
  }
  return policy;
}

std::int64_t parse_memory_swap(const std::string& spec) { return spec == "-1" ? -1 : parse_size(spec); }

std::string parse_extra_host(const std::string& spec) {
  const std::size_t sign = spec.find_first_of("=:");
  if (sign == std::string::npos || sign == 0) throw invalid(cat("bad format for add-host: ", quoted(spec)));
  std::string ip = spec.substr(sign + 1);
  if (ip.size() > 2 && ip.starts_with('[') && ip.ends_with(']')) ip = ip.substr(1, ip.size() - 2);
  std::array<char, 16> binary{};
  if (ip != "host-gateway" && ::inet_pton(AF_INET, ip.c_str(), binary.data()) != 1 &&
      ::inet_pton(AF_INET6, ip.c_str(), binary.data()) != 1) {
    throw invalid(cat("invalid IP address in add-host: ", quoted(ip)));
  }
  return cat(spec.substr(0, sign), ":", ip);
}

}  // namespace berth::cli
