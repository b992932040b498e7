#include "archive/tar_format.h"

#include <limits>

namespace berth::archive::format {

namespace {

std::optional<std::int64_t> parse_base256(std::string_view field) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(field[i]); };
  const bool negative = (byte(0) & 0x40) != 0;
  const unsigned char flip = negative ? 0xFF : 0;
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < field.size(); ++i) {
    unsigned char c = byte(i) ^ flip;
    if (i == 0) c &= 0x7F;
    if ((value >> 56) != 0) return std::nullopt;
    value = value << 8 | c;
  }
  if ((value >> 63) != 0) return std::nullopt;
  const auto number = static_cast<std::int64_t>(value);
  return negative ? -number - 1 : number;
}

}  // namespace

std::optional<std::int64_t> parse_number(std::string_view field) {
  if (!field.empty() && (static_cast<unsigned char>(field[0]) & 0x80) != 0) return parse_base256(field);
  const auto is_pad = [](char c) { return c == ' ' || c == '\0'; };
  while (!field.empty() && is_pad(field.front())) field.remove_prefix(1);
  while (!field.empty() && is_pad(field.back())) field.remove_suffix(1);
  std::uint64_t value = 0;
  for (const char c : field.substr(0, field.find('\0'))) {
    if (c < '0' || c > '7' || (value >> 60) != 0) return std::nullopt;
    value = value << 3 | static_cast<std::uint64_t>(c - '0');
  }
  return static_cast<std::int64_t>(value);
}

std::string_view parse_text(std::string_view field) { return field.substr(0, field.find('\0')); }

std::uint32_t checksum(std::string_view block) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < block.size(); ++i) {
    const bool own = i >= kChecksum.offset && i < kChecksum.offset + kChecksum.size;
    sum += own ? ' ' : static_cast<unsigned char>(block[i]);
  }
  return sum;
}

bool checksum_matches(std::string_view block) {
  const auto stored = parse_number(block.substr(kChecksum.offset, kChecksum.size));
  if (!stored) return false;
  if (*stored == checksum(block)) return true;
  std::int64_t signed_sum = 0;
  for (std::size_t i = 0; i < block.size(); ++i) {
    const bool own = i >= kChecksum.offset && i < kChecksum.offset + kChecksum.size;
    signed_sum += own ? ' ' : static_cast<signed char>(block[i]);
  }
  return *stored == signed_sum;
}

}  // namespace berth::archive::format
