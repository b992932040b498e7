#include "container/logs/json_entry.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include <boost/json/value.hpp>
#include <cstdint>

#include "base/core/error.h"
#include "base/json/json.h"

namespace berth::container::logs {

namespace {

/// First '"' or '\\' at or after `at`.
std::size_t find_special(std::string_view text, std::size_t at) {
#if defined(__SSE2__)
  const __m128i quote = _mm_set1_epi8('"');
  const __m128i slash = _mm_set1_epi8('\\');
  for (; at + 16 <= text.size(); at += 16) {
    const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text.data() + at));
    const int hits = _mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(block, quote), _mm_cmpeq_epi8(block, slash)));
    if (hits != 0) return at + static_cast<std::size_t>(__builtin_ctz(static_cast<unsigned>(hits)));
  }
#endif
  while (at < text.size() && text[at] != '"' && text[at] != '\\') ++at;
  return at;
}

void append_utf8(std::string& out, std::uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | (code >> 6));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | (code >> 12));
    out += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | (code >> 18));
    out += static_cast<char>(0x80 | ((code >> 12) & 0x3F));
    out += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  }
}

std::optional<std::uint32_t> hex4(std::string_view text, std::size_t at) {
  if (at + 4 > text.size()) return std::nullopt;
  return parse_number<std::uint32_t>(text.substr(at, 4), 16);
}

/// Appends the character of the escape whose backslash is at `at`, and moves behind it; false for a broken
/// one.
bool append_escape(std::string_view line, std::size_t& at, std::string& out) {
  if (at + 1 >= line.size()) return false;
  const char kind = line[at + 1];
  at += 2;
  switch (kind) {
    case 'n': out += '\n'; return true;
    case 't': out += '\t'; return true;
    case 'r': out += '\r'; return true;
    case 'b': out += '\b'; return true;
    case 'f': out += '\f'; return true;
    case '"':
    case '\\':
    case '/': out += kind; return true;
    case 'u': break;
    default: return false;
  }
  std::optional<std::uint32_t> code = hex4(line, at);
  if (!code) return false;
  at += 4;
  if (*code >= 0xD800 && *code < 0xDC00 && line.substr(at, 2) == "\\u") {
    const std::optional<std::uint32_t> low = hex4(line, at + 2);
    if (low && *low >= 0xDC00 && *low < 0xE000) {
      at += 6;
      code = 0x10000 + ((*code - 0xD800) << 10) + (*low - 0xDC00);
    }
  }
  append_utf8(out, *code >= 0xD800 && *code < 0xE000 ? 0xFFFD : *code);
  return true;
}

bool take(std::string_view line, std::size_t& at, std::string_view expected) {
  if (line.substr(at, expected.size()) != expected) return false;
  at += expected.size();
  return true;
}

/// Length of the JSON object at the front of `text`, strings respected; 0 when it does not end.
std::size_t object_length(std::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{') {
      ++depth;
    } else if (c == '}' && --depth == 0) {
      return i + 1;
    }
  }
  return 0;
}

/// Our own writer's form: {"log":"…","stream":"stdout"[,"attrs":{…}],"time":"…"}
std::optional<Entry> parse_own_form(std::string_view line, std::string& scratch) {
  std::size_t at = 0;
  if (!take(line, at, R"({"log":")")) return std::nullopt;
  const std::size_t text_start = scratch.size();
  for (;;) {
    const std::size_t special = find_special(line, at);
    if (special >= line.size()) return std::nullopt;
    scratch.append(line.substr(at, special - at));
    at = special;
    if (line[at] == '"') break;
    if (!append_escape(line, at, scratch)) return std::nullopt;
  }
  Entry entry;
  if (!take(line, at, R"(","stream":"std)")) return std::nullopt;
  if (take(line, at, "err\"")) {
    entry.stream = Stream::err;
  } else if (!take(line, at, "out\"")) {
    return std::nullopt;
  }
  if (take(line, at, R"(,"attrs":)")) {
    const std::size_t length = object_length(line.substr(at));
    if (length == 0) return std::nullopt;
    entry.attributes = line.substr(at, length);
    at += length;
  }
  if (!take(line, at, R"(,"time":")")) return std::nullopt;
  if (!line.ends_with("\"}") || line.size() < at + 2) return std::nullopt;
  entry.time = line.substr(at, line.size() - 2 - at);
  entry.text = std::string_view{scratch}.substr(text_start);
  return entry;
}

/// Go's url.QueryEscape.
void append_query_escaped(std::string& out, std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                       c == '_' || c == '.' || c == '~';
    if (plain) {
      out += c;
    } else if (c == ' ') {
      out += '+';
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += '%';
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    }
  }
}

struct AnyEntry {
  std::string log, stream, time;
  json::Raw attrs;
  static void describe(auto& self, auto&& field) {
    field("log", self.log);
    field("stream", self.stream);
    field("time", self.time);
    field("attrs", self.attrs);
  }
};

std::optional<Entry> parse_any_form(std::string_view line, std::string& scratch) {
  AnyEntry any;
  try {
    any = json::from_json<AnyEntry>(line);
  } catch (const Error&) {
    return std::nullopt;
  }
  const auto keep = [&](const std::string& text) {
    scratch += text;
    return text.size();
  };
  const std::size_t start = scratch.size();
  const std::size_t text = keep(any.log);
  const std::size_t time = keep(any.time);
  const std::size_t attributes = keep(any.attrs.text);
  const std::string_view all = scratch;
  return Entry{.stream = any.stream == "stderr" ? Stream::err : Stream::out,
               .time = all.substr(start + text, time),
               .text = all.substr(start, text),
               .attributes = all.substr(start + text + time, attributes)};
}

}  // namespace

std::optional<Entry> parse_entry(std::string_view line, std::string& scratch) {
  const std::size_t start = scratch.size();
  if (const std::optional<Entry> entry = parse_own_form(line, scratch)) return entry;
  scratch.resize(start);
  return parse_any_form(line, scratch);
}

std::string format_details(const std::map<std::string, std::string>& attributes) {
  std::string out;
  for (const auto& [name, value] : attributes) {
    if (!out.empty()) out += ',';
    append_query_escaped(out, name);
    out += '=';
    append_query_escaped(out, value);
  }
  return out;
}

std::string format_details(std::string_view attributes_json) {
  if (attributes_json.empty()) return "";
  try {
    return format_details(json::from_json<std::map<std::string, std::string>>(attributes_json));
  } catch (const Error&) {
    return "";
  }
}

}  // namespace berth::container::logs
