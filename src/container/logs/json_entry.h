#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "logfile/record.h"

namespace berth::container::logs {

using logfile::Stream;

/// One entry of a log. `text` points into the caller's scratch buffer.
struct Entry {
  Stream stream = Stream::out;
  std::string_view time;  ///< RFC 3339 with nanoseconds, as in the file; "" when it has `time_ns`
  std::optional<std::int64_t> time_ns;
  std::string_view text;        ///< ends in '\n' unless the line goes on in the next entry
  std::string_view attributes;  ///< as in the file: a JSON object, or encoded; "" when there are none
};

/// Reads one line of the log (without its newline). Lines in exactly the form that berth-shim writes take a
/// short way; any other JSON a slower one. nullopt for what is no entry at all: a line torn by a power cut,
/// say. `scratch` gets the unescaped text; it is only appended to, so that several entries can share it.
std::optional<Entry> parse_entry(std::string_view line, std::string& scratch);

/// "a=1,b=2" from {"a":"1","b":"2"}, as `docker logs --details` shows attributes.
std::string format_details(std::string_view attributes_json);
std::string format_details(const std::map<std::string, std::string>& attributes);

}  // namespace berth::container::logs
