#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace berth::http {

/// Takes the framing off a chunked body, whatever the pieces it comes in. Extensions and trailers are skipped,
/// within bounds. Spec: RFC 9112 section 7.1.
class ChunkedDecoder {
 public:
  /// Takes framing off the front of `in` up to the first data, and that too: `data` is the part of `in` that it is, ""
  /// when there was none. Returns how many bytes of `in` were taken. Throws invalid for anything malformed.
  std::size_t take(std::string_view in, std::string_view& data);
  /// Appends data to `out` and returns how many bytes of `in` belong to the body; less than all only once done().
  std::size_t feed(std::string_view in, std::string& out);
  /// All data of `bytes`, moved to their beginning; the second is what lies behind the body's end, once done().
  std::pair<std::size_t, std::string_view> strip(char* bytes, std::size_t count);
  bool done() const { return state_ == State::done; }

 private:
  enum class State {
    size,
    extension,
    size_lf,
    data,
    data_cr,
    data_lf,
    trailer_start,
    trailer,
    trailer_lf,
    last_lf,
    done
  };
  void step(char c);

  State state_ = State::size;
  std::uint64_t remaining_ = 0;
  unsigned digits_ = 0, skipped_ = 0;
};

}  // namespace berth::http
