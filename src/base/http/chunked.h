#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace berth::http {

/// Takes the framing off a chunked body, whatever the pieces it comes in. Extensions and trailers are skipped,
/// within bounds. Spec: RFC 9112 section 7.1.
class ChunkedDecoder {
 public:
  /// Appends data to `out` and returns how many bytes of `in` belong to the body; less than all only once done().
  /// Throws invalid for anything malformed.
  std::size_t feed(std::string_view in, std::string& out);
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
