#include "logsink/fluentd.h"

#include "base/core/error.h"
#include "base/core/text.h"

namespace berth::logsink {
namespace {

constexpr std::int64_t kBillion = 1'000'000'000;

void put_number(std::string& out, std::uint64_t number, int bytes) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) out += static_cast<char>(number >> shift);
}

// https://github.com/msgpack/msgpack/blob/master/spec.md
void put_string(std::string& out, std::string_view text) {
  if (text.size() < 32) {
    out += static_cast<char>(0xa0 | text.size());
  } else if (text.size() < 256) {
    out += '\xd9';
    put_number(out, text.size(), 1);
  } else if (text.size() < 65536) {
    out += '\xda';
    put_number(out, text.size(), 2);
  } else {
    out += '\xdb';
    put_number(out, text.size(), 4);
  }
  out += text;
}

void put_map(std::string& out, std::size_t size) {
  if (size < 16) {
    out += static_cast<char>(0x80 | size);
  } else {
    out += '\xde';
    put_number(out, size, 2);
  }
}

void put_time(std::string& out, std::int64_t time_ns, bool sub_second) {
  const auto seconds = static_cast<std::uint64_t>(time_ns / kBillion);
  if (sub_second) {  // EventTime, an extension of type 0
    out += "\xd7";
    out += '\0';
    put_number(out, seconds, 4);
    put_number(out, static_cast<std::uint64_t>(time_ns % kBillion), 4);
  } else {
    out += '\xd3';
    put_number(out, seconds, 8);
  }
}

std::string_view take_string(std::string_view& in) {
  const auto kind = static_cast<unsigned char>(in.empty() ? 0 : in.front());
  std::size_t head = 1, size = kind & 0x1f;
  if ((kind & 0xe0) != 0xa0) {
    const std::size_t width = kind == 0xd9 ? 1 : kind == 0xda ? 2 : kind == 0xdb ? 4 : 0;
    if (width == 0 || in.size() < 1 + width) return {};
    head += width;
    size = 0;
    for (std::size_t i = 1; i < head; ++i) size = size << 8 | static_cast<unsigned char>(in[i]);
  }
  if (in.size() < head + size) return {};
  const std::string_view text = in.substr(head, size);
  in.remove_prefix(head + size);
  return text;
}

}  // namespace

void FluentdEncoder::encode(const logfile::Record& entry, Messages& out) {
  std::string& bytes = out.bytes;
  const std::string_view source = entry.stream == logfile::Stream::err ? "stderr" : "stdout";
  std::map<std::string_view, std::string_view> record{{"container_id", config_.container_id},
                                                      {"container_name", config_.container_name},
                                                      {"source", source},
                                                      {"log", entry.line}};
  for (const auto& [key, value] : config_.fields) record[key] = value;
  std::string ordinal;
  if (entry.partial) {
    ordinal = cat(entry.partial->ordinal);
    record["partial_message"] = "true";
    record["partial_id"] = entry.partial->id;
    record["partial_ordinal"] = ordinal;
    record["partial_last"] = entry.partial->last ? "true" : "false";
  }
  bytes += '\x94';  // four of
  put_string(bytes, config_.tag);
  put_time(bytes, entry.time_ns, config_.sub_second);
  put_map(bytes, record.size());
  for (const auto& [key, value] : record) {
    put_string(bytes, key);
    put_string(bytes, value);
  }
  if (config_.request_ack) {
    chunks_.push_back(random_hex(16));
    put_map(bytes, 1);
    put_string(bytes, "chunk");
    put_string(bytes, chunks_.back());
  } else {
    put_map(bytes, 0);
  }
  out.end();
}

std::optional<std::string> take_ack(std::string& bytes) {
  if (bytes.empty()) return std::nullopt;
  std::string_view in = bytes;
  if (in.front() != '\x81') throw system_error("fluentd: the server's answer is no acknowledgement");
  in.remove_prefix(1);
  if (take_string(in) != "ack") {
    if (bytes.size() < 5) return std::nullopt;
    throw system_error("fluentd: the server's answer is no acknowledgement");
  }
  const std::string chunk{take_string(in)};
  if (chunk.empty()) return std::nullopt;
  bytes.erase(0, bytes.size() - in.size());
  return chunk;
}

}  // namespace berth::logsink
