#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/core/error.h"
#include "base/core/text.h"

/// JSON to and from plain structs, without a document in between on the way out. A struct takes part by one
/// member:
///
///   struct Mount {
///     std::string type, source;
///     static void describe(auto& self, auto&& field) {
///       field("Type", self.type);
///       field("Source", self.source, json::omit_empty);
///     }
///   };
///
/// Reading follows Go's encoding/json, which clients of Docker rely on: keys match without regard to case,
/// unknown keys and nulls are ignored, a wrong type is an error whose text is Go's. Library converters
/// (Boost's value_to) throw on any missing or unknown key, so they cannot serve an API.
namespace berth::json {

struct OmitEmpty {};
struct NullIfEmpty {};
/// Leaves the member out when it is false, 0, "", empty or absent (Go's ",omitempty").
inline constexpr OmitEmpty omit_empty;
/// Writes null for an empty list or map, where Go has a nil slice.
inline constexpr NullIfEmpty null_if_empty;

/// Any JSON text, passed through as it is; "" is null. When read, it is kept compact.
struct Raw {
  std::string text;
  bool operator==(const Raw&) const = default;
};

/// {} : Go's map[string]struct{} (ExposedPorts, Volumes) is a std::map<std::string, Empty>.
struct Empty {
  static void describe(auto&, auto&&) {}
  bool operator==(const Empty&) const = default;
};

/// Throws invalid with Go's wording for broken text; depth is limited to 64.
boost::json::value parse(std::string_view text);

void write_string(std::string& out, std::string_view text);  ///< quoted; invalid UTF-8 becomes U+FFFD
void write_double(std::string& out, double number);

namespace detail {
[[noreturn]] void wrong_type(const boost::json::value& found, std::string_view owner, std::string_view field,
                             std::string_view wanted);
const boost::json::value* find_member(const boost::json::object& object, std::string_view name);
std::string serialize(const boost::json::value& value);

template <class T>
std::string_view type_name() {
  if constexpr (requires { T::kGoName; }) return T::kGoName;
  return "";
}

template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};
template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};
template <class T>
struct IsMap : std::false_type {};
template <class V, class C>
struct IsMap<std::map<std::string, V, C>> : std::true_type {};
}  // namespace detail

class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}

  template <class T>
  void operator()(std::string_view name, const T& value) {
    key(name);
    put(value);
  }
  template <class T>
  void operator()(std::string_view name, const T& value, OmitEmpty) {
    if (is_empty(value)) return;
    key(name);
    put(value);
  }
  template <class T>
  void operator()(std::string_view name, const T& value, NullIfEmpty) {
    key(name);
    if (is_empty(value)) {
      out_ += "null";
    } else {
      put(value);
    }
  }

  template <class T>
  void put(const T& value) {
    if constexpr (std::is_same_v<T, bool>) {
      out_ += value ? "true" : "false";
    } else if constexpr (std::is_enum_v<T>) {
      append(out_, static_cast<std::underlying_type_t<T>>(value));
    } else if constexpr (std::is_integral_v<T>) {
      append(out_, value);
    } else if constexpr (std::is_floating_point_v<T>) {
      write_double(out_, value);
    } else if constexpr (std::is_convertible_v<const T&, std::string_view>) {
      write_string(out_, value);
    } else if constexpr (std::is_same_v<T, Raw>) {
      out_ += value.text.empty() ? std::string_view{"null"} : std::string_view{value.text};
    } else if constexpr (detail::IsOptional<T>::value) {
      if (value)
        put(*value);
      else
        out_ += "null";
    } else if constexpr (detail::IsVector<T>::value) {
      out_ += '[';
      bool first = true;
      for (const auto& element : value) {
        if (!first) out_ += ',';
        first = false;
        put(element);
      }
      out_ += ']';
    } else if constexpr (detail::IsMap<T>::value) {
      out_ += '{';
      bool first = true;
      for (const auto& [name, element] : value) {
        if (!first) out_ += ',';
        first = false;
        write_string(out_, name);
        out_ += ':';
        put(element);
      }
      out_ += '}';
    } else if constexpr (requires { T::write_json(out_, value); }) {
      T::write_json(out_, value);
    } else {
      const bool outer = first_;
      first_ = true;
      out_ += '{';
      T::describe(value, *this);
      out_ += '}';
      first_ = outer;
    }
  }

 private:
  void key(std::string_view name) {
    if (!first_) out_ += ',';
    first_ = false;
    out_ += '"';
    out_ += name;  // names are literals of ours
    out_ += "\":";
  }

  template <class T>
  static bool is_empty(const T& value) {
    if constexpr (std::is_arithmetic_v<T>)
      return value == T{};
    else if constexpr (detail::IsOptional<T>::value)
      return !value.has_value();
    else if constexpr (std::is_same_v<T, Raw>)
      return value.text.empty();
    else if constexpr (requires { value.empty(); })
      return value.empty();
    else
      return false;
  }

  std::string& out_;
  bool first_ = true;
};

class Reader {
 public:
  Reader(const boost::json::object& object, std::string_view owner) : object_(object), owner_(owner) {}

  template <class T>
  void operator()(std::string_view name, T& value) {
    const boost::json::value* member = detail::find_member(object_, name);
    if (member != nullptr) get(*member, value, owner_, name);
  }
  template <class T, class Option>
  void operator()(std::string_view name, T& value, Option) {
    (*this)(name, value);
  }

  template <class T>
  static void get(const boost::json::value& in, T& out, std::string_view owner, std::string_view field) {
    if (in.is_null() && !std::is_same_v<T, Raw>) {
      if constexpr (detail::IsOptional<T>::value || detail::IsVector<T>::value || detail::IsMap<T>::value) out = T{};
      return;
    }
    if constexpr (std::is_same_v<T, bool>) {
      if (!in.is_bool()) detail::wrong_type(in, owner, field, "bool");
      out = in.get_bool();
    } else if constexpr (std::is_enum_v<T>) {
      std::underlying_type_t<T> number{};
      get(in, number, owner, field);
      out = static_cast<T>(number);
    } else if constexpr (std::is_integral_v<T>) {
      boost::json::error_code code;
      const T number = in.to_number<T>(code);
      if (!in.is_number() || code || (in.is_double())) detail::wrong_type(in, owner, field, "int64");
      out = number;
    } else if constexpr (std::is_floating_point_v<T>) {
      if (!in.is_number()) detail::wrong_type(in, owner, field, "float64");
      out = in.to_number<T>();
    } else if constexpr (std::is_same_v<T, std::string>) {
      if (!in.is_string()) detail::wrong_type(in, owner, field, "string");
      out = std::string_view{in.get_string()};
    } else if constexpr (std::is_same_v<T, Raw>) {
      out.text = detail::serialize(in);
    } else if constexpr (detail::IsOptional<T>::value) {
      get(in, out.emplace(), owner, field);
    } else if constexpr (detail::IsVector<T>::value) {
      if (!in.is_array()) detail::wrong_type(in, owner, field, "[]string");
      out.clear();
      for (const boost::json::value& element : in.get_array()) get(element, out.emplace_back(), owner, field);
    } else if constexpr (detail::IsMap<T>::value) {
      if (!in.is_object()) detail::wrong_type(in, owner, field, "map[string]string");
      out.clear();
      for (const auto& member : in.get_object()) {
        get(member.value(), out[std::string{std::string_view{member.key()}}], owner, field);
      }
    } else if constexpr (requires { T::read_json(in, out); }) {
      T::read_json(in, out);  // a type with several JSON forms (Cmd: a string or a list)
    } else {
      if (!in.is_object()) detail::wrong_type(in, owner, field, detail::type_name<T>());
      Reader reader{in.get_object(), detail::type_name<T>()};
      T::describe(out, reader);
    }
  }

 private:
  const boost::json::object& object_;
  std::string_view owner_;
};

template <class T>
std::string to_json(const T& value) {
  std::string out;
  Writer{out}.put(value);
  return out;
}

template <class T>
T from_value(const boost::json::value& in) {
  T out{};
  Reader::get(in, out, detail::type_name<T>(), "");
  return out;
}

template <class T>
T from_json(std::string_view text) {
  return from_value<T>(parse(text));
}

}  // namespace berth::json
