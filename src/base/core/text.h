#pragma once

#include <charconv>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace berth {

inline void append(std::string& out, std::string_view piece) { out.append(piece); }
inline void append(std::string& out, char piece) { out.push_back(piece); }
template <class T>
  requires std::integral<T> && (!std::same_as<T, char>) && (!std::same_as<T, bool>)
void append(std::string& out, T number) {
  char buffer[24];
  out.append(buffer, std::to_chars(buffer, buffer + sizeof buffer, number).ptr);
}

/// One string out of pieces (text, characters, whole numbers): cat("exit ", 3). <format> is not in
/// libstdc++ 12.
template <class... Pieces>
std::string cat(const Pieces&... pieces) {
  std::string out;
  (append(out, pieces), ...);
  return out;
}

/// A whole number in decimal and nothing else around it; nullopt for anything else, overflow included.
template <std::integral T>
std::optional<T> parse_number(std::string_view text, int base = 10) {
  T value{};
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (code != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

std::vector<std::string> split(std::string_view text, char separator);  ///< "" gives one empty piece
std::string join(const std::vector<std::string>& pieces, std::string_view separator);
std::string_view trim(std::string_view text);          ///< without ASCII white space at both ends
std::string to_lower(std::string_view text);           ///< ASCII only
bool iequals(std::string_view a, std::string_view b);  ///< ASCII case folded
/// A Go %q string: quotes, backslashes and control characters escaped.
std::string quoted(std::string_view text);
std::string to_hex(std::string_view bytes);

/// 32 random bytes in hex, whose first 12 digits are not all decimal: Docker's form of an ID.
std::string random_id();
/// `count` random bytes from the kernel in hex (2 * count digits).
std::string random_hex(std::size_t count);
bool is_hex(std::string_view text);  ///< only 0-9a-f, and not empty

}  // namespace berth
