#include "cli/json_view.h"

namespace berth::cli {

const Json* find_at(const Json& owner, std::string_view name) {
  return owner.is_object() ? owner.get_object().if_contains(name) : nullptr;
}

const Json& at(const Json& owner, std::string_view name) {
  static const Json kNull;
  const Json* found = find_at(owner, name);
  return found == nullptr ? kNull : *found;
}

std::string text_at(const Json& owner, std::string_view name) {
  const Json& value = at(owner, name);
  return value.is_string() ? std::string{value.get_string()} : std::string{};
}

std::int64_t number_at(const Json& owner, std::string_view name, std::int64_t absent) {
  const Json& value = at(owner, name);
  boost::json::error_code code;
  const auto number = value.to_number<std::int64_t>(code);
  return value.is_number() && !code ? number : absent;
}

double double_at(const Json& owner, std::string_view name) {
  const Json& value = at(owner, name);
  return value.is_number() ? value.to_number<double>() : 0;
}

bool bool_at(const Json& owner, std::string_view name) {
  const Json& value = at(owner, name);
  return value.is_bool() && value.get_bool();
}

const boost::json::array& as_array(const Json& value) {
  static const boost::json::array kEmpty;
  return value.is_array() ? value.get_array() : kEmpty;
}

const boost::json::array& array_at(const Json& owner, std::string_view name) { return as_array(at(owner, name)); }

const boost::json::object& object_at(const Json& owner, std::string_view name) {
  static const boost::json::object kEmpty;
  const Json& value = at(owner, name);
  return value.is_object() ? value.get_object() : kEmpty;
}

std::vector<std::string> texts_at(const Json& owner, std::string_view name) {
  std::vector<std::string> out;
  for (const Json& element : array_at(owner, name)) {
    if (element.is_string()) out.emplace_back(element.get_string());
  }
  return out;
}

std::map<std::string, std::string> map_at(const Json& owner, std::string_view name) {
  std::map<std::string, std::string> out;
  for (const auto& member : object_at(owner, name)) {
    if (member.value().is_string()) out.emplace(member.key(), member.value().get_string());
  }
  return out;
}

}  // namespace berth::cli
