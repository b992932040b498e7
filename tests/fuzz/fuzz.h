#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/core/error.h"

/// What the fuzz targets share. A target reads the fuzzer's bytes as what a stranger may send, and holds the room
/// to more than not to crash: it calls `require` for what must be true of every input.
namespace berth::fuzz {

inline void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "not true of this input: %s\n", what);
  std::abort();
}

/// The one way to refuse input is berth::Error; true when `call` took it.
bool accepted(auto&& call) {
  try {
    call();
    return true;
  } catch (const Error& error) {
    require(!error.text().empty(), "a refusal says why");
    return false;
  }
}

/// Takes the input apart: small numbers and lines from the front, the rest as it is.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : rest_(reinterpret_cast<const char*>(data), size) {}

  std::uint8_t byte() {
    if (rest_.empty()) return 0;
    const char c = rest_.front();
    rest_.remove_prefix(1);
    return static_cast<std::uint8_t>(c);
  }
  std::string_view line() {
    const std::size_t end = rest_.find('\n');
    const std::string_view text = rest_.substr(0, end);
    rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
    return text;
  }
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

/// Cuts a stream into pieces of pseudo-random sizes: what a reader makes of it must not depend on where.
class Pieces {
 public:
  Pieces(std::string_view bytes, std::uint32_t seed, std::size_t longest = 700)
      : rest_(bytes), state_(seed * 2654435761U + 1), longest_(longest) {}

  /// "" only at the end.
  std::string_view next() {
    state_ = state_ * 1664525U + 1013904223U;
    const std::size_t wanted = (state_ & 0x10000) != 0 ? 1 + (state_ >> 24) % 3 : 1 + (state_ >> 8) % longest_;
    const std::string_view piece = rest_.substr(0, wanted);
    rest_.remove_prefix(piece.size());
    return piece;
  }

 private:
  std::string_view rest_;
  std::uint32_t state_;
  std::size_t longest_;
};

}  // namespace berth::fuzz
