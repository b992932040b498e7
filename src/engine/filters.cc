#include "engine/filters.h"

#include <algorithm>

#include "base/core/text.h"
#include "base/json/json.h"

namespace berth::engine {

namespace {

Error invalid_filter(std::string_view name, const std::vector<std::string>& values) {
  return invalid(cat("invalid filter '", name, "=[", join(values, " "), "]'"));
}

void read_values(const boost::json::value& in, std::vector<std::string>& out) {
  const auto keep = [&out](std::string_view value) {
    if (std::ranges::find(out, value) == out.end()) out.emplace_back(value);
  };
  if (const auto* list = in.if_array()) {
    for (const boost::json::value& element : *list) {
      if (!element.is_string()) throw invalid("invalid filter");
      keep(std::string_view{element.get_string()});
    }
  } else if (const auto* set = in.if_object()) {
    for (const auto& member : *set) {
      if (!member.value().is_bool()) throw invalid("invalid filter");
      keep(std::string_view{member.key()});  // the boolean says nothing: Docker's daemon does not look at it either
    }
  } else if (!in.is_null()) {
    throw invalid("invalid filter");
  }
}

/// All of `wanted` ("key" or "key=value") hold for `labels`.
bool match_all(const std::vector<std::string>& wanted, const std::map<std::string, std::string>& labels) {
  return std::ranges::all_of(wanted, [&](const std::string& want) {
    const std::size_t equals = want.find('=');
    const auto found = labels.find(want.substr(0, equals));
    if (found == labels.end()) return false;
    return equals == std::string::npos || found->second == std::string_view{want}.substr(equals + 1);
  });
}

}  // namespace

Filters Filters::parse(std::string_view text) {
  Filters filters;
  if (trim(text).empty()) return filters;
  boost::json::value in;
  try {
    in = json::parse(text);
  } catch (const Error&) {
    throw invalid("invalid filter");
  }
  if (in.is_null()) return filters;
  if (!in.is_object()) throw invalid("invalid filter");
  for (const auto& member : in.get_object()) {
    read_values(member.value(), filters.values_[std::string{std::string_view{member.key()}}]);
  }
  return filters;
}

const std::vector<std::string>& Filters::get(std::string_view name) const {
  static const std::vector<std::string> kNone;
  const auto found = values_.find(std::string{name});
  return found == values_.end() ? kNone : found->second;
}

void Filters::check_names(const std::set<std::string_view>& known) const {
  for (const auto& [name, values] : values_) {
    if (!known.contains(name)) throw invalid(cat("invalid filter '", name, "'"));
  }
}

bool Filters::match_exact(std::string_view name, std::string_view value) const {
  const std::vector<std::string>& values = get(name);
  return values.empty() || std::ranges::find(values, value) != values.end();
}

bool Filters::match_labels(const std::map<std::string, std::string>& labels) const {
  if (!match_all(get("label"), labels)) return false;
  const std::vector<std::string>& unwanted = get("label!");
  return unwanted.empty() || !match_all(unwanted, labels);
}

bool Filters::get_bool(std::string_view name, bool otherwise) const {
  if (!has(name)) return otherwise;
  const std::vector<std::string>& values = get(name);
  if (values.size() == 1) {
    if (values[0] == "1" || values[0] == "true") return true;
    if (values[0] == "0" || values[0] == "false") return false;
  }
  throw invalid_filter(name, values);
}

}  // namespace berth::engine
