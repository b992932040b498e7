#include "logfile/record.h"

#include <cstring>

namespace berth::logfile {
namespace {

// Fields of message LogEntry and its parts, as tags: number << 3 | wire type (0 varint, 2 bytes).
enum Tag : std::uint32_t {
  kSource = 1 << 3 | 2,
  kTime = 2 << 3 | 0,
  kLine = 3 << 3 | 2,
  kPartial = 4 << 3 | 0,
  kPartialData = 5 << 3 | 2,
  kAttribute = 6 << 3 | 2,
  kNumber = 1000 << 3 | 0,  // Berth's own

  kPartLast = 1 << 3 | 0,
  kPartId = 2 << 3 | 2,
  kPartOrdinal = 3 << 3 | 0,

  kKey = 1 << 3 | 2,
  kValue = 2 << 3 | 2,
};

char* put_varint(char* out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) *out++ = static_cast<char>(value | 0x80);
  *out++ = static_cast<char>(value);
  return out;
}

char* put_bytes(char* out, Tag tag, std::string_view bytes) {
  out = put_varint(put_varint(out, tag), bytes.size());
  std::memcpy(out, bytes.data(), bytes.size());
  return out + bytes.size();
}

char* put_length(char* out, std::size_t length) {
  for (int shift = 24; shift >= 0; shift -= 8) *out++ = static_cast<char>(length >> shift);
  return out;
}

std::size_t get_length(const char* in) {
  std::size_t length = 0;
  for (std::size_t i = 0; i < kLengthSize; ++i) length = length << 8 | static_cast<unsigned char>(in[i]);
  return length;
}

char* put_partial(char* out, const Partial& partial) {
  char data[192];
  char* end = data;
  if (partial.last) end = put_varint(put_varint(end, kPartLast), 1);
  end = put_bytes(end, kPartId, partial.id.substr(0, 128));
  end = put_varint(put_varint(end, kPartOrdinal), static_cast<std::uint32_t>(partial.ordinal));
  out = put_varint(put_varint(out, kPartial), 1);
  return put_bytes(out, kPartialData, {data, static_cast<std::size_t>(end - data)});
}

/// Takes fields from the front of a message. `damaged` stays set once something did not fit.
class Fields {
 public:
  explicit Fields(std::string_view message) : rest_(message) {}
  bool next() {
    if (rest_.empty() || damaged) return false;
    const char* const start = rest_.data();
    tag = static_cast<std::uint32_t>(varint());
    switch (tag & 7) {
      case 0: number = varint(); break;
      case 1: take(8); break;
      case 2: bytes = take(varint()); break;
      case 5: take(4); break;
      default: damaged = true;
    }
    whole = {start, static_cast<std::size_t>(rest_.data() - start)};
    return !damaged;
  }
  std::uint32_t tag = 0;
  std::uint64_t number = 0;
  std::string_view bytes;
  std::string_view whole;  ///< the field with its tag
  bool damaged = false;

 private:
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    damaged = true;
    return 0;
  }
  std::string_view take(std::uint64_t size) {
    if (size > rest_.size()) {
      damaged = true;
      return {};
    }
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  std::string_view rest_;
};

Partial decode_partial(std::string_view message) {
  Partial partial;
  for (Fields field{message}; field.next();) {
    if (field.tag == kPartLast) partial.last = field.number != 0;
    if (field.tag == kPartId) partial.id = field.bytes;
    if (field.tag == kPartOrdinal) partial.ordinal = static_cast<std::int32_t>(field.number);
  }
  return partial;
}

}  // namespace

std::size_t encoded_bound(const Record& record) {
  return 2 * kLengthSize + 64 + record.line.size() + (record.partial ? 200 : 0) + record.attributes.size();
}

char* encode(const Record& record, char* out) {
  char* const message = out + kLengthSize;
  char* end = put_bytes(message, kSource, record.stream == Stream::out ? "stdout" : "stderr");
  end = put_varint(put_varint(end, kTime), static_cast<std::uint64_t>(record.time_ns));
  if (!record.line.empty()) end = put_bytes(end, kLine, record.line);
  if (record.partial) end = put_partial(end, *record.partial);
  std::memcpy(end, record.attributes.data(), record.attributes.size());
  end += record.attributes.size();
  if (record.number != 0) end = put_varint(put_varint(end, kNumber), record.number);
  const auto length = static_cast<std::size_t>(end - message);
  put_length(out, length);
  return put_length(end, length);
}

std::optional<std::size_t> record_size(std::string_view bytes) {
  if (bytes.size() < kLengthSize) return 0;
  const std::size_t length = get_length(bytes.data());
  if (length == 0 || length > kMaxRecord) return std::nullopt;
  const std::size_t size = length + 2 * kLengthSize;
  if (bytes.size() < size) return 0;
  if (get_length(bytes.data() + kLengthSize + length) != length) return std::nullopt;
  return size;
}

std::optional<Record> decode(std::string_view bytes) {
  const std::string_view message = bytes.substr(kLengthSize, bytes.size() - 2 * kLengthSize);
  Record record;
  bool partial = false;
  Partial data;
  Fields field{message};
  while (field.next()) {
    switch (field.tag) {
      case kSource: record.stream = field.bytes == "stderr" ? Stream::err : Stream::out; break;
      case kTime: record.time_ns = static_cast<std::int64_t>(field.number); break;
      case kLine: record.line = field.bytes; break;
      case kPartial: partial = field.number != 0; break;
      case kPartialData: data = decode_partial(field.bytes); break;
      case kAttribute:  // they stand together, so that the first and the last enclose all
        record.attributes = record.attributes.empty()
                                ? field.whole
                                : std::string_view{record.attributes.data(),
                                                   static_cast<std::size_t>(field.whole.data() + field.whole.size() -
                                                                            record.attributes.data())};
        break;
      case kNumber: record.number = field.number; break;
      default: break;  // of a newer version
    }
  }
  if (field.damaged) return std::nullopt;
  if (partial) record.partial = data;
  return record;
}

std::string encode_attributes(const std::map<std::string, std::string>& attributes) {
  std::string out;
  for (const auto& [key, value] : attributes) {
    std::string pair(key.size() + value.size() + 24, 0);
    pair.resize(static_cast<std::size_t>(put_bytes(put_bytes(pair.data(), kKey, key), kValue, value) - pair.data()));
    std::string field(pair.size() + 12, 0);
    out.append(field.data(), static_cast<std::size_t>(put_bytes(field.data(), kAttribute, pair) - field.data()));
  }
  return out;
}

std::map<std::string, std::string> decode_attributes(std::string_view encoded) {
  std::map<std::string, std::string> attributes;
  for (Fields field{encoded}; field.next();) {
    if (field.tag != kAttribute) continue;
    std::string_view key, value;
    for (Fields part{field.bytes}; part.next();) {
      if (part.tag == kKey) key = part.bytes;
      if (part.tag == kValue) value = part.bytes;
    }
    attributes[std::string{key}] = value;
  }
  return attributes;
}

}  // namespace berth::logfile
