#pragma once

#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/core/error.h"

/// A compact binary form of described structs, for messages between Berth's own processes of one build: no
/// schema, no versions, both ends are the same source. A struct takes part by its static describe() (see
/// base/json/json.h); the reader checks every length, so a corrupt message is an error of kind invalid, never
/// a wild read.
namespace berth::binary {

namespace detail {
struct Probe {
  template <class T>
  void operator()(std::string_view, T&&) {}
  template <class T, class O>
  void operator()(std::string_view, T&&, O) {}
};
}  // namespace detail

template <class T>
concept Described = requires(T& value, detail::Probe probe) { T::describe(value, probe); };

class Writer {
 public:
  std::string take() { return std::move(out_); }

  template <class T>
  void operator()(std::string_view, const T& value) {
    put(value);
  }
  template <class T, class Option>
  void operator()(std::string_view, const T& value, Option) {
    put(value);
  }

  template <class T>
  void put(const T& value) {
    if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T>) {
      out_.append(reinterpret_cast<const char*>(&value), sizeof value);
    } else {
      T::describe(value, *this);
    }
  }
  void put(const std::string& value) {
    put(static_cast<std::uint32_t>(value.size()));
    out_.append(value);
  }
  template <class T>
  void put(const std::vector<T>& values) {
    put(static_cast<std::uint32_t>(values.size()));
    for (const T& value : values) put(value);
  }
  template <class V>
  void put(const std::map<std::string, V>& values) {
    put(static_cast<std::uint32_t>(values.size()));
    for (const auto& [key, value] : values) {
      put(key);
      put(value);
    }
  }
  template <class T>
  void put(const std::optional<T>& value) {
    put(value.has_value());
    if (value) put(*value);
  }

 private:
  std::string out_;
};

class Reader {
 public:
  explicit Reader(std::string_view in) : in_(in) {}

  bool at_end() const { return in_.empty(); }

  template <class T>
  void operator()(std::string_view, T& value) {
    get(value);
  }
  template <class T, class Option>
  void operator()(std::string_view, T& value, Option) {
    get(value);
  }

  template <class T>
  void get(T& value) {
    if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T>) {
      std::memcpy(&value, bytes(sizeof value).data(), sizeof value);
    } else {
      T::describe(value, *this);
    }
  }
  void get(std::string& value) { value = bytes(size()); }
  template <class T>
  void get(std::vector<T>& values) {
    const std::uint32_t count = size();
    values.clear();
    for (std::uint32_t i = 0; i < count; ++i) get(values.emplace_back());
  }
  template <class V>
  void get(std::map<std::string, V>& values) {
    const std::uint32_t count = size();
    values.clear();
    for (std::uint32_t i = 0; i < count; ++i) {
      std::string key;
      get(key);
      get(values[key]);
    }
  }
  template <class T>
  void get(std::optional<T>& value) {
    bool present = false;
    get(present);
    value.reset();
    if (present) get(value.emplace());
  }

 private:
  std::uint32_t size() {
    std::uint32_t count = 0;
    get(count);
    if (count > in_.size()) throw invalid("truncated message");  // every element takes at least a byte
    return count;
  }
  std::string_view bytes(std::size_t count) {
    if (count > in_.size()) throw invalid("truncated message");
    const std::string_view piece = in_.substr(0, count);
    in_.remove_prefix(count);
    return piece;
  }

  std::string_view in_;
};

template <class T>
std::string encode(const T& value) {
  Writer writer;
  writer.put(value);
  return writer.take();
}

template <class T>
T decode(std::string_view bytes) {
  Reader reader{bytes};
  T value{};
  reader.get(value);
  if (!reader.at_end()) throw invalid("message is longer than its content");
  return value;
}

}  // namespace berth::binary
