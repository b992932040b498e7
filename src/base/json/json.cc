#include "base/json/json.h"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cmath>

namespace berth::json {

boost::json::value parse(std::string_view text) {
  boost::json::error_code code;
  boost::json::parse_options options;
  options.max_depth = 64;
  if (trim(text).empty()) throw invalid("EOF");
  boost::json::value value = boost::json::parse(text, code, {}, options);
  if (code == boost::json::error::incomplete) throw invalid("unexpected end of JSON input");
  if (code) throw invalid(cat("invalid JSON: ", code.message()));
  return value;
}

namespace {

/// Length of the valid UTF-8 sequence at the front of `text`, or 0.
std::size_t sequence_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  const std::size_t length = lead < 0x80                   ? 1
                             : lead >= 0xC2 && lead < 0xE0 ? 2
                             : (lead & 0xF0) == 0xE0       ? 3
                             : lead >= 0xF0 && lead < 0xF5 ? 4
                                                           : 0;
  if (length == 0 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  if (lead == 0xE0 && byte(1) < 0xA0) return 0;  // overlong
  if (lead == 0xED && byte(1) > 0x9F) return 0;  // surrogates
  if (lead == 0xF0 && byte(1) < 0x90) return 0;  // overlong
  if (lead == 0xF4 && byte(1) > 0x8F) return 0;  // beyond U+10FFFF
  return length;
}

bool is_plain(unsigned char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; }

}  // namespace

void write_string(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    std::size_t run = 0;
    while (run < text.size() && is_plain(static_cast<unsigned char>(text[run]))) ++run;
    out.append(text.substr(0, run));
    text.remove_prefix(run);
    if (text.empty()) break;
    const char c = text.front();
    std::size_t used = 1;
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += "\\u00";
      out += to_hex(text.substr(0, 1));
    } else {
      used = sequence_length(text);
      if (used == 0) {
        out += "\xEF\xBF\xBD";
        used = 1;
      } else {
        out.append(text.substr(0, used));
      }
    }
    text.remove_prefix(used);
  }
  out += '"';
}

void write_double(std::string& out, double number) {
  if (!std::isfinite(number)) {
    out += '0';
    return;
  }
  char buffer[32];
  out.append(buffer, std::to_chars(buffer, buffer + sizeof buffer, number).ptr);
}

namespace detail {

void wrong_type(const boost::json::value& found, std::string_view owner, std::string_view field,
                std::string_view wanted) {
  std::string_view what = "object";
  if (found.is_string()) what = "string";
  if (found.is_bool()) what = "bool";
  if (found.is_array()) what = "array";
  std::string number;
  if (found.is_number()) {
    number = "number";
    if (found.is_double() || wanted.starts_with("int")) number += cat(" ", boost::json::serialize(found));
    what = number;
  }
  if (field.empty()) {
    throw invalid(cat("json: cannot unmarshal ", what, " into Go value of type ", wanted.empty() ? owner : wanted));
  }
  throw invalid(cat("json: cannot unmarshal ", what, " into Go struct field ", owner, ".", field, " of type ", wanted));
}

const boost::json::value* find_member(const boost::json::object& object, std::string_view name) {
  if (const boost::json::value* exact = object.if_contains(name)) return exact;
  for (const auto& member : object) {
    if (iequals(std::string_view{member.key()}, name)) return &member.value();
  }
  return nullptr;
}

std::string serialize(const boost::json::value& value) { return boost::json::serialize(value); }

}  // namespace detail

}  // namespace berth::json
