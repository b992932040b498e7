#include "runtime/shim/json_log.h"

#include <algorithm>
#include <cstring>

#include "base/core/text.h"
#include "base/core/time.h"
#include "runtime/shim/json_escape.h"

namespace berth::runtime::shim {
namespace {

constexpr std::string_view kHead = R"({"log":")";

std::string ending_at(const std::string& suffix, Time time) { return cat(suffix, format_time(time), "\"}\n"); }

}  // namespace

JsonLog::JsonLog(const LogTarget& target, Outside outside) : file_(target, logfile::Format::json, std::move(outside)) {
  const std::string attributes = target.attributes.empty() ? std::string{} : cat(R"("attrs":)", target.attributes, ',');
  suffix_[0] = cat(R"(","stream":"stdout",)", attributes, R"("time":")");
  suffix_[1] = cat(R"(","stream":"stderr",)", attributes, R"("time":")");
}

void JsonLog::stamp(Time time) {
  now_ns_ = time.time_since_epoch().count();
  for (int i = 0; i < 2; ++i) ending_[i] = ending_at(suffix_[i], time);
}

/// All parts of a long line have the time of the first.
std::string_view JsonLog::ending_for(Stream stream, LineState& state, bool line_ends) {
  if (!line_ends) state.begin_part(now_ns_);
  if (state.parts == 0) return ending_[stream == Stream::err];
  part_ending_ = ending_at(suffix_[stream == Stream::err], Time{std::chrono::nanoseconds{state.begun_ns}});
  if (line_ends) state.end_line();
  return part_ending_;
}

void JsonLog::append(Stream stream, std::string_view bytes, LineState& state, Time now) {
  stamp(now);
  tell_missing();
  while (!bytes.empty()) {
    if (!state.carry.empty()) {
      const Carried carried = carry_on(bytes, state);
      if (!carried.entry) break;
      entry(state.carry, carried.line_ends, ending_for(stream, state, carried.line_ends));
      std::string{}.swap(state.carry);
      continue;
    }
    const std::size_t window = std::min(bytes.size(), kLineLimit);
    char* const begin = file_.room(kMaxEscape * kLineLimit + 2 * ending_[0].size() + kHead.size() + kEscapeSlack);
    std::memcpy(begin, kHead.data(), kHead.size());
    const Escaped done = escape_line(bytes.data(), bytes.data() + window, begin + kHead.size());
    const auto taken = static_cast<std::size_t>(done.in - bytes.data());
    const bool line_ends = taken < window;
    if (!line_ends && window < kLineLimit) {  // the rest of the line is still to come
      state.carry.assign(bytes);
      break;
    }
    char* out = done.out;
    if (line_ends) {
      *out++ = '\\';
      *out++ = 'n';
    }
    const std::string_view ending = ending_for(stream, state, line_ends);
    std::memcpy(out, ending.data(), ending.size());
    file_.took(out + ending.size());
    bytes.remove_prefix(taken + (line_ends ? 1 : 0));
  }
  file_.flush();
}

void JsonLog::finish(Stream stream, LineState& state, Time now) {
  if (state.carry.empty()) return;
  stamp(now);
  entry(state.carry, false, ending_for(stream, state, false));
  state = {};
  file_.flush();
}

void JsonLog::entry(std::string_view text, bool whole_line, std::string_view ending) {
  char* out = file_.room(kMaxEscape * text.size() + 2 * ending.size() + kHead.size() + kEscapeSlack);
  out = static_cast<char*>(::mempcpy(out, kHead.data(), kHead.size()));
  out = escape_line(text.data(), text.data() + text.size(), out).out;
  if (whole_line) out = static_cast<char*>(::mempcpy(out, "\\n", 2));
  out = static_cast<char*>(::mempcpy(out, ending.data(), ending.size()));
  file_.took(out);
}

void JsonLog::tell_missing() {
  if (const std::uint64_t count = file_.take_missing(); count != 0) {
    entry(missing_text(count, file_.reason()), true, ending_[1]);
  }
}

void JsonLog::tell(std::string_view text, Time now) {
  stamp(now);
  entry(text, true, ending_[1]);
  file_.flush();
}

}  // namespace berth::runtime::shim
