#include "runtime/shim/local_log.h"

#include <algorithm>

#include "base/core/text.h"

namespace berth::runtime::shim {

LocalLog::LocalLog(const LogTarget& target, Outside outside)
    : file_(target, logfile::Format::local, std::move(outside)), attributes_(target.attributes) {}

void LocalLog::stamp(Time time) { now_ns_ = time.time_since_epoch().count(); }

void LocalLog::append(Stream stream, std::string_view bytes, LineState& state, Time now) {
  stamp(now);
  tell_missing();
  while (!bytes.empty()) {
    if (!state.carry.empty()) {
      const Carried carried = carry_on(bytes, state);
      if (!carried.entry) break;
      entry(stream, state.carry, state, carried.line_ends);
      std::string{}.swap(state.carry);
      continue;
    }
    const std::string_view window = bytes.substr(0, kLineLimit);
    const std::size_t end = std::min(window.find('\n'), window.size());
    const bool line_ends = end < window.size();
    if (!line_ends && window.size() < kLineLimit) {  // the rest of the line is still to come
      state.carry.assign(bytes);
      break;
    }
    entry(stream, window.substr(0, end), state, line_ends);
    bytes.remove_prefix(end + (line_ends ? 1 : 0));
  }
  file_.flush();
}

void LocalLog::finish(Stream stream, LineState& state, Time now) {
  if (state.carry.empty()) return;
  stamp(now);
  entry(stream, state.carry, state, false);
  state = {};
  file_.flush();
}

void LocalLog::entry(Stream stream, std::string_view text, LineState& state, bool line_ends) {
  logfile::Record record{.stream = stream, .time_ns = now_ns_, .line = text};
  if (!line_ends && state.parts == 0) state.id = random_id();
  if (!line_ends || state.parts != 0) {
    state.begin_part(now_ns_);
    record.time_ns = state.begun_ns;
    record.partial = logfile::Partial{.id = state.id, .ordinal = state.parts, .last = line_ends};
  }
  put(record);
  if (line_ends) state.end_line();
}

void LocalLog::put(logfile::Record record) {
  record.attributes = attributes_;
  if (next_number_ != 0) record.number = next_number_++;
  char* const out = file_.room(logfile::encoded_bound(record));
  file_.took(logfile::encode(record, out));
}

void LocalLog::tell_missing() {
  if (const std::uint64_t count = file_.take_missing(); count != 0) {
    const std::string text = missing_text(count, file_.reason());
    put({.stream = Stream::err, .time_ns = now_ns_, .line = text});
  }
}

void LocalLog::tell(std::string_view text, Time now) {
  stamp(now);
  put({.stream = Stream::err, .time_ns = now_ns_, .line = text});
  file_.flush();
}

}  // namespace berth::runtime::shim
