#include <boost/json/value.hpp>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/json/json.h"
#include "daemon/settings.h"

namespace berth::daemon {

namespace {

const Setting* find_key(std::string_view key) {
  for (const Setting& setting : all_settings()) {
    if (setting.key == key) return &setting;
  }
  return nullptr;
}

std::string plain_text(const boost::json::value& value) {
  if (value.is_string()) return std::string{std::string_view{value.get_string()}};
  return json::detail::serialize(value);
}

[[noreturn]] void wrong_type(const Setting& setting, const boost::json::value& value) {
  constexpr std::string_view kWanted[] = {"bool", "string", "int", "[]string", "map[string]string"};
  json::detail::wrong_type(value, "Config", setting.key, kWanted[static_cast<int>(setting.kind)]);
}

/// dockerd takes "" and 0 for "not said".
bool says_nothing(const boost::json::value& value) {
  return (value.is_string() && value.get_string().empty()) || (value.is_int64() && value.get_int64() == 0);
}

void read_member(Settings& settings, const Setting& setting, const boost::json::value& value) {
  switch (setting.kind) {
    case Kind::boolean:
      if (!value.is_bool()) wrong_type(setting, value);
      settings.set(setting, value.get_bool() ? "true" : "false");
      return;
    case Kind::text:
    case Kind::number:
      if (setting.kind == Kind::text ? !(value.is_string() || setting.key == "default-shm-size") : !value.is_int64()) {
        wrong_type(setting, value);
      }
      if (!says_nothing(value)) settings.set(setting, plain_text(value));
      return;
    case Kind::list:
      // default-ulimits is an object of objects in the file: {"nofile": {"Name": …, "Hard": …, "Soft": …}}.
      if (setting.key == "default-ulimits" && value.is_object()) {
        for (const auto& member : value.get_object()) {
          if (!member.value().is_object()) wrong_type(setting, value);
          const boost::json::object& limit = member.value().get_object();
          const boost::json::value* soft = json::detail::find_member(limit, "Soft");
          const boost::json::value* hard = json::detail::find_member(limit, "Hard");
          if (hard == nullptr) wrong_type(setting, value);
          settings.set(setting, cat(std::string_view{member.key()}, "=", plain_text(soft != nullptr ? *soft : *hard),
                                    ":", plain_text(*hard)));
        }
        return;
      }
      if (!value.is_array()) wrong_type(setting, value);
      for (const boost::json::value& element : value.get_array()) settings.set(setting, plain_text(element));
      return;
    case Kind::map:
      if (!value.is_object()) wrong_type(setting, value);
      for (const auto& member : value.get_object()) {
        settings.set(setting, cat(std::string_view{member.key()}, "=", plain_text(member.value())));
      }
      return;
  }
}

}  // namespace

Settings parse_config_file(std::string_view text) {
  Settings settings;
  if (trim(text).empty()) return settings;
  const boost::json::value document = json::parse(text);
  if (!document.is_object()) throw invalid("daemon.json must hold an object");
  std::vector<std::string> unknown;
  for (const auto& member : document.get_object()) {
    const std::string_view key{member.key()};
    if (const Setting* setting = find_key(key)) {
      if (!member.value().is_null()) read_member(settings, *setting, member.value());
    } else {
      unknown.emplace_back(key);
    }
  }
  if (!unknown.empty()) {
    throw invalid(cat("the following directives don't match any configuration option: ", join(unknown, ", ")));
  }
  return settings;
}

}  // namespace berth::daemon
