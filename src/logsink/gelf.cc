#include "logsink/gelf.h"

#include <zlib.h>

#include <algorithm>

#include "base/core/error.h"
#include "base/core/text.h"

namespace berth::logsink {
namespace {

constexpr std::size_t kDatagram = 1420, kChunkHeader = 12, kChunk = kDatagram - kChunkHeader, kMaxChunks = 128;
constexpr int kError = 3, kInfo = 6;

/// "1700000000.25": milliseconds, without zeros at the end.
std::string seconds(std::int64_t time_ns) {
  const std::int64_t ms = time_ns / 1'000'000;
  std::string text = cat(ms / 1000);
  if (ms % 1000 == 0) return text;
  std::string fraction = cat(1000 + ms % 1000).substr(1);
  while (fraction.ends_with('0')) fraction.pop_back();
  return cat(text, '.', fraction);
}

void put_json_string(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += c == '\t' ? "\\t" : c == '\r' ? "\\r" : cat("\\u00", to_hex({&c, 1}));
    } else {
      out += c;
    }
  }
  out += '"';
}

/// What is no UTF-8 may not stand in JSON.
std::string valid_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const auto lead = static_cast<unsigned char>(text.front());
    const std::size_t size = lead < 0x80                   ? 1
                             : lead >= 0xc2 && lead < 0xe0 ? 2
                             : lead >= 0xe0 && lead < 0xf0 ? 3
                             : lead >= 0xf0 && lead < 0xf5 ? 4
                                                           : 0;
    bool valid = size != 0 && size <= text.size();
    for (std::size_t i = 1; valid && i < size; ++i) valid = (static_cast<unsigned char>(text[i]) & 0xc0) == 0x80;
    const auto second = static_cast<unsigned char>(size > 2 && valid ? text[1] : 0);
    if (valid && size > 2) {  // overlong forms, surrogates, beyond U+10FFFF
      valid = !((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f) || (lead == 0xf0 && second < 0x90) ||
                (lead == 0xf4 && second > 0x8f));
    }
    out += valid ? text.substr(0, size) : std::string_view{"\xef\xbf\xbd"};
    text.remove_prefix(valid ? size : 1);
  }
  return out;
}

}  // namespace

std::string GelfEncoder::compressed(const std::string& json) const {
  if (config_.compression == "none") return json;
  z_stream stream{};
  const int window = config_.compression == "gzip" ? 15 + 16 : 15;
  if (::deflateInit2(&stream, config_.compression_level, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    throw system_error("deflateInit2: out of memory");
  }
  std::string out(::deflateBound(&stream, json.size()) + 32, 0);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(json.data()));
  stream.avail_in = static_cast<uInt>(json.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  ::deflate(&stream, Z_FINISH);
  out.resize(out.size() - stream.avail_out);
  ::deflateEnd(&stream);
  return out;
}

void GelfEncoder::encode(const logfile::Record& entry, Messages& out) {
  if (entry.line.empty()) return;  // short_message may not be empty
  std::string json = R"({"version":"1.1","host":)";
  put_json_string(json, config_.host_name);
  json += R"(,"short_message":)";
  put_json_string(json, valid_utf8(entry.line));
  json += cat(R"(,"timestamp":)", seconds(entry.time_ns), R"(,"level":)",
              entry.stream == logfile::Stream::err ? kError : kInfo, ',', config_.json_fields, '}');
  if (config_.network == "tcp") {
    out.bytes += json;
    out.bytes += '\0';
    return out.end();
  }
  const std::string data = compressed(json);
  if (data.size() <= kDatagram) {
    out.bytes += data;
    return out.end();
  }
  const std::size_t count = (data.size() + kChunk - 1) / kChunk;
  if (count > kMaxChunks) throw invalid("gelf: the message is too large");
  std::string id(8, 0);
  const std::string random = random_hex(8);
  for (std::size_t i = 0; i < 8; ++i) {
    id[i] = static_cast<char>(parse_number<std::uint8_t>(std::string_view{random}.substr(2 * i, 2), 16).value_or(0));
  }
  for (std::size_t i = 0; i < count; ++i) {
    out.bytes += "\x1e\x0f";
    out.bytes += id;
    out.bytes += static_cast<char>(i);
    out.bytes += static_cast<char>(count);
    out.bytes += std::string_view{data}.substr(i * kChunk, kChunk);
    out.end();
  }
}

}  // namespace berth::logsink
