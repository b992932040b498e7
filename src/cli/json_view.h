#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

/// Members of the daemon's answers, without failing over what is missing: an absent member reads as empty.
namespace berth::cli {

using Json = boost::json::value;

const Json* find_at(const Json& owner, std::string_view name);
const Json& at(const Json& owner, std::string_view name);  ///< null when absent
std::string text_at(const Json& owner, std::string_view name);
std::int64_t number_at(const Json& owner, std::string_view name, std::int64_t absent = 0);
double double_at(const Json& owner, std::string_view name);
bool bool_at(const Json& owner, std::string_view name);
const boost::json::array& array_at(const Json& owner, std::string_view name);    ///< empty when absent
const boost::json::object& object_at(const Json& owner, std::string_view name);  ///< empty when absent
const boost::json::array& as_array(const Json& value);
std::vector<std::string> texts_at(const Json& owner, std::string_view name);
std::map<std::string, std::string> map_at(const Json& owner, std::string_view name);

}  // namespace berth::cli
