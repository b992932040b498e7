#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

/// The `local` log format, which Docker's driver of that name reads and writes too: for each entry
///   length (4 bytes, big-endian) | LogEntry (protobuf) | the same length again
/// so that a file can be read from both ends. Logs that are forwarded to a sink carry one field more, the entry's
/// number, which other readers skip.
namespace berth::logfile {

enum class Stream : std::uint8_t { out = 1, err = 2 };

/// What an entry says that is a part of a longer line.
struct Partial {
  std::string_view id;  ///< the same in all parts
  std::int32_t ordinal = 0;
  bool last = false;
};

struct Record {
  Stream stream = Stream::out;
  std::int64_t time_ns = 0;
  std::string_view line;  ///< without its newline
  std::optional<Partial> partial;
  std::string_view attributes;  ///< encoded, see encode_attributes
  std::uint64_t number = 0;     ///< counts entries of a forwarded log from 1; 0: not there
};

inline constexpr std::size_t kLengthSize = 4;
/// An entry that claims to be longer is damaged.
inline constexpr std::size_t kMaxRecord = 1 << 20;

/// How much `encode` writes at most.
std::size_t encoded_bound(const Record& record);
/// Writes the entry with its lengths; returns the end.
char* encode(const Record& record, char* out);

/// Length of the entry at the front of `bytes`, with both its lengths: 0 when more bytes are needed, nullopt when there
/// is no entry here.
std::optional<std::size_t> record_size(std::string_view bytes);
/// `bytes` is one whole entry, as record_size says. What it returns points into it. nullopt: damaged.
std::optional<Record> decode(std::string_view bytes);

std::string encode_attributes(const std::map<std::string, std::string>& attributes);
std::map<std::string, std::string> decode_attributes(std::string_view encoded);

}  // namespace berth::logfile
