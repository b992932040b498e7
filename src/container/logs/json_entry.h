#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace berth::container::logs {

enum class Stream : char { standard_output = 1, standard_error = 2 };

/// One entry of a json-file log. `text` points into the caller's scratch buffer.
struct Entry {
  Stream stream = Stream::standard_output;
  std::string_view time;        ///< RFC 3339 with nanoseconds, as in the file
  std::string_view text;        ///< without JSON escapes; ends in '\n' unless the line goes on in the next entry
  std::string_view attributes;  ///< JSON object, "" when there is none
};

/// Reads one line of the log (without its newline). Lines in exactly the form that berth-shim writes take a
/// short way; any other JSON a slower one. nullopt for what is no entry at all: a line torn by a power cut,
/// say. `scratch` gets the unescaped text; it is only appended to, so that several entries can share it.
std::optional<Entry> parse_entry(std::string_view line, std::string& scratch);

/// "a=1,b=2" from {"a":"1","b":"2"}, as `docker logs --details` shows attributes.
std::string format_details(std::string_view attributes_json);

}  // namespace berth::container::logs
