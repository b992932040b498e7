#include "api/server/json_body.h"

#include <boost/json/stream_parser.hpp>
#include <vector>

#include "base/core/text.h"

namespace berth::api {

namespace {

constexpr std::size_t kLimitBytes = 16 << 20;

void check_content_type(const Request& request) {
  const std::string_view type = request.header("Content-Type").value_or("");
  if (type.empty() && request.body->length() == 0) return;
  const std::string_view media = trim(type.substr(0, type.find(';')));
  if (media.empty()) throw invalid(cat("malformed Content-Type header (", type, "): mime: no media type"));
  if (!iequals(media, "application/json")) {
    throw invalid(cat("unsupported Content-Type header (", type, "): must be 'application/json'"));
  }
}

/// What the parser was in the middle of.
struct Inside {
  std::vector<char> open;  ///< { and [
  bool in_string = false, after_value = false, in_key_place = false;
  std::size_t escape_length = 0;  ///< of \uXXXX so far, the backslash included
};

Inside scan(std::string_view text) {
  Inside state;
  for (const char c : text) {
    if (state.in_string) {
      if (state.escape_length > 0) {
        ++state.escape_length;
        const bool is_done = state.escape_length == 2 ? c != 'u' : state.escape_length == 6;
        if (is_done) state.escape_length = 0;
      } else if (c == '\\') {
        state.escape_length = 1;
      } else if (c == '"') {
        state.in_string = false;
        state.after_value = true;
      }
      continue;
    }
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') continue;
    state.after_value = c != '{' && c != '[' && c != ',' && c != ':';
    if (c == '{' || c == '[') state.open.push_back(c);
    if ((c == '}' || c == ']') && !state.open.empty()) state.open.pop_back();
    if (c == '"') state.in_string = true;
    state.in_key_place = (c == '{' || c == ',') && !state.open.empty() && state.open.back() == '{';
  }
  return state;
}

std::string_view words_for(const Inside& state) {
  if (state.escape_length > 1) return "in \\u hexadecimal character escape";
  if (state.escape_length == 1) return "in string escape code";
  if (state.in_string) return "in string literal";
  if (state.in_key_place) return "looking for beginning of object key string";
  if (!state.after_value) return "looking for beginning of value";
  return !state.open.empty() && state.open.back() == '[' ? "after array element" : "after object key:value pair";
}

/// Go's words for the character at which parsing stopped.
Error syntax_error(std::string_view text, std::size_t at) {
  std::string character = "'\"'";
  if (text[at] == '\'') {
    character = "'\\''";
  } else if (text[at] != '"') {
    character = quoted(text.substr(at, 1));
    character.front() = character.back() = '\'';
  }
  return invalid(cat("invalid JSON: invalid character ", character, " ", words_for(scan(text.substr(0, at)))));
}

}  // namespace

boost::json::value parse_body(std::string_view text) {
  if (trim(text).empty()) throw invalid("invalid JSON: got EOF while reading request body");
  boost::json::parse_options options;
  options.max_depth = 64;
  boost::json::stream_parser parser{{}, options};
  boost::json::error_code code;
  const std::size_t used = parser.write_some(text.data(), text.size(), code);
  if (code == boost::json::error::too_deep) throw invalid("invalid JSON: exceeded max depth");
  if (code) throw syntax_error(text, std::min(used, text.size() - 1));
  if (!parser.done()) parser.finish(code);  // a number ends only here
  if (code) throw invalid("invalid JSON: unexpected EOF");
  if (!trim(text.substr(used)).empty()) throw invalid("unexpected content after JSON");
  return parser.release();
}

Task<std::string> read_json_text(const Request& request, EmptyBody empty) {
  check_content_type(request);
  std::string text = co_await request.body->read_all(kLimitBytes);
  if (trim(text).empty()) {
    if (empty == EmptyBody::refused || !text.empty() || request.body->length() != 0) {
      throw invalid("invalid JSON: got EOF while reading request body");
    }
    co_return "";
  }
  co_return text;
}

}  // namespace berth::api
