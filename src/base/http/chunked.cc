#include "base/http/chunked.h"

#include <algorithm>
#include <cstring>

#include "base/core/error.h"
#include "base/core/text.h"

namespace berth::http {

namespace {
constexpr unsigned kMaxSkipped = 16 << 10;  // extensions and trailers of one body

void expect(char c, char wanted) {
  if (c != wanted) throw invalid("malformed chunked encoding");
}
}  // namespace

std::size_t ChunkedDecoder::take(std::string_view in, std::string_view& data) {
  std::size_t at = 0;
  data = {};
  while (at < in.size() && state_ != State::data && !done()) step(in[at++]);
  if (state_ != State::data) return at;
  data = in.substr(at, static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, in.size() - at)));
  remaining_ -= data.size();
  if (remaining_ == 0) state_ = State::data_cr;
  return at + data.size();
}

std::size_t ChunkedDecoder::feed(std::string_view in, std::string& out) {
  std::size_t at = 0;
  while (at < in.size() && !done()) {
    std::string_view data;
    at += take(in.substr(at), data);
    out.append(data);
  }
  return at;
}

std::pair<std::size_t, std::string_view> ChunkedDecoder::strip(char* bytes, std::size_t count) {
  std::string_view in{bytes, count};
  std::size_t kept = 0;
  while (!in.empty() && !done()) {
    std::string_view data;
    in.remove_prefix(take(in, data));
    if (data.data() != bytes + kept && !data.empty()) std::memmove(bytes + kept, data.data(), data.size());
    kept += data.size();
  }
  return {kept, in};
}

void ChunkedDecoder::step(char c) {
  switch (state_) {
    case State::size:
      if (const auto digit = parse_number<unsigned>(std::string_view{&c, 1}, 16)) {
        if (++digits_ > 15) throw invalid("http chunk length too large");
        remaining_ = remaining_ * 16 + *digit;
        return;
      }
      if (digits_ == 0) throw invalid("invalid byte in chunk length");
      digits_ = 0;
      if (c == '\r') {
        state_ = State::size_lf;
      } else if (c == ';' || c == ' ' || c == '\t') {
        state_ = State::extension;
      } else {
        throw invalid("invalid byte in chunk length");
      }
      return;
    case State::extension:
      if (++skipped_ > kMaxSkipped || c == '\n') throw invalid("malformed chunked encoding");
      if (c == '\r') state_ = State::size_lf;
      return;
    case State::size_lf:
      expect(c, '\n');
      state_ = remaining_ == 0 ? State::trailer_start : State::data;
      return;
    case State::data_cr:
      expect(c, '\r');
      state_ = State::data_lf;
      return;
    case State::data_lf:
      expect(c, '\n');
      state_ = State::size;
      return;
    case State::trailer_start: state_ = c == '\r' ? State::last_lf : State::trailer; return;
    case State::trailer:
      if (++skipped_ > kMaxSkipped || c == '\n') throw invalid("malformed chunked encoding");
      if (c == '\r') state_ = State::trailer_lf;
      return;
    case State::trailer_lf:
      expect(c, '\n');
      state_ = State::trailer_start;
      return;
    case State::last_lf:
      expect(c, '\n');
      state_ = State::done;
      return;
    case State::data:
    case State::done: return;
  }
}

}  // namespace berth::http
