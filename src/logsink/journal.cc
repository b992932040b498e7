#include "logsink/journal.h"

#include "base/core/text.h"
#include "base/core/time.h"

namespace berth::logsink {
namespace {

void put_field(std::string& out, std::string_view name, std::string_view value) {
  out += name;
  if (value.find('\n') == std::string_view::npos) {
    out += '=';
  } else {
    out += '\n';
    for (int shift = 0; shift < 64; shift += 8) out += static_cast<char>(std::uint64_t{value.size()} >> shift);
  }
  out += value;
  out += '\n';
}

}  // namespace

JournalEncoder::JournalEncoder(const Config& config) {
  for (const auto& [name, value] : config.fields) put_field(fields_, name, value);
}

void JournalEncoder::encode(const logfile::Record& entry, Messages& out) {
  put_field(out.bytes, "PRIORITY", entry.stream == logfile::Stream::err ? "3" : "6");
  put_field(out.bytes, "MESSAGE", entry.line);
  out.bytes += fields_;
  put_field(out.bytes, "SYSLOG_TIMESTAMP", format_time(Time{std::chrono::nanoseconds{entry.time_ns}}));
  put_field(out.bytes, "CONTAINER_LOG_ORDINAL", cat(entry.number));
  if (entry.partial) {
    put_field(out.bytes, "CONTAINER_PARTIAL_ID", entry.partial->id);
    put_field(out.bytes, "CONTAINER_PARTIAL_ORDINAL", cat(entry.partial->ordinal));
    put_field(out.bytes, "CONTAINER_PARTIAL_LAST", entry.partial->last ? "true" : "false");
    if (!entry.partial->last) put_field(out.bytes, "CONTAINER_PARTIAL_MESSAGE", "true");
  }
  out.end();
}

}  // namespace berth::logsink
