#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace berth::logfile {

enum class Format : std::uint8_t {
  json,   ///< Docker's json-file: one JSON object a line
  local,  ///< see record.h
};

/// Whole entries at the front of a piece that begins with one.
struct Whole {
  std::size_t size = 0;     ///< bytes of them
  std::uint64_t count = 0;  ///< how many
  bool damaged = false;     ///< what follows is no entry
};
Whole whole_entries(Format format, std::string_view bytes);

/// What a log says in place of entries that are lost: "berth: 3 log entries are missing here: No space left on device".
std::string missing_text(std::uint64_t count, std::string_view reason);

}  // namespace berth::logfile
