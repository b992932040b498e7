#include "api/server/request.h"

#include "base/core/error.h"
#include "base/core/text.h"

namespace berth::api {

const std::string& Request::param(std::string_view name) const {
  for (const auto& [key, value] : params) {
    if (key == name) return value;
  }
  throw system_error(cat("no such path parameter: ", name));
}

bool Request::flag(std::string_view name, bool otherwise) const {
  const std::optional<std::string> value = query.get(name);
  if (!value) return otherwise;
  const std::string word = to_lower(trim(*value));
  return !(word.empty() || word == "0" || word == "no" || word == "false" || word == "none");
}

std::optional<int> Request::integer(std::string_view name) const {
  const std::string value = text(name);
  if (value.empty()) return std::nullopt;
  std::string_view digits = value;
  if (digits.starts_with('+')) digits.remove_prefix(1);
  const std::optional<int> number = parse_number<int>(digits);
  if (!number) throw invalid(cat("strconv.Atoi: parsing ", quoted(value), ": invalid syntax"));
  return number;
}

int Request::required_integer(std::string_view name) const {
  const std::optional<int> number = integer(name);
  if (!number) throw invalid("strconv.Atoi: parsing \"\": invalid syntax");
  return *number;
}

std::optional<Time> Request::time(std::string_view name) const {
  const std::string value = text(name);
  if (value.empty() || value == "0") return std::nullopt;
  const std::optional<Time> time = parse_timestamp(value);
  if (!time) throw invalid(cat("failed to parse value of ", quoted(name), " as time: ", quoted(value)));
  return time;
}

std::optional<std::string_view> Request::header(std::string_view name) const {
  for (const http::Header& field : headers) {
    if (iequals(field.name, name)) return field.value;
  }
  return std::nullopt;
}

}  // namespace berth::api
