#include "runtime/shim/json_escape.h"

#include <array>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace berth::runtime::shim {
namespace {

/// What one ASCII byte becomes: up to six bytes, copied as eight.
struct Piece {
  char text[7];
  std::uint8_t size;
};

constexpr std::array<Piece, 128> make_pieces() {
  std::array<Piece, 128> pieces{};
  constexpr char kDigits[] = "0123456789abcdef";
  for (int c = 0; c < 128; ++c) {
    Piece& piece = pieces[static_cast<std::size_t>(c)];
    if (c == '"' || c == '\\') {
      piece = {{'\\', static_cast<char>(c)}, 2};
    } else if (c == '\r') {
      piece = {{'\\', 'r'}, 2};
    } else if (c < 0x20 || c == '<' || c == '>' || c == '&') {
      piece = {{'\\', 'u', '0', '0', kDigits[c >> 4], kDigits[c & 15]}, 6};
    } else {
      piece = {{static_cast<char>(c)}, 1};
    }
  }
  return pieces;
}
constexpr std::array<Piece, 128> kPieces = make_pieces();

/// Length of the valid UTF-8 sequence at `in` (whose first byte is >= 0x80), 0 when there is none.
int sequence_length(const unsigned char* in, std::ptrdiff_t left) {
  const auto continues = [&](int index, unsigned low, unsigned high) { return in[index] >= low && in[index] <= high; };
  const unsigned lead = in[0];
  if (lead >= 0xc2 && lead <= 0xdf) return left >= 2 && continues(1, 0x80, 0xbf) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef) {
    if (left < 3) return 0;
    const unsigned low = lead == 0xe0 ? 0xa0 : 0x80, high = lead == 0xed ? 0x9f : 0xbf;  // no overlong, no surrogate
    return continues(1, low, high) && continues(2, 0x80, 0xbf) ? 3 : 0;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    if (left < 4) return 0;
    const unsigned low = lead == 0xf0 ? 0x90 : 0x80, high = lead == 0xf4 ? 0x8f : 0xbf;
    return continues(1, low, high) && continues(2, 0x80, 0xbf) && continues(3, 0x80, 0xbf) ? 4 : 0;
  }
  return 0;
}

/// One character that is not plain ASCII.
Escaped escape_wide(const char* in, const char* end, char* out) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(in);
  const int length = sequence_length(bytes, end - in);
  if (length == 0) {
    std::memcpy(out, "\xef\xbf\xbd", 3);
    return {in + 1, out + 3};
  }
  if (length == 3 && bytes[0] == 0xe2 && bytes[1] == 0x80 && (bytes[2] & 0xfe) == 0xa8) {  // line separators
    std::memcpy(out, bytes[2] == 0xa8 ? "\\u2028" : "\\u2029", 6);
    return {in + 3, out + 6};
  }
  std::memcpy(out, in, static_cast<std::size_t>(length));
  return {in + length, out + length};
}

#if defined(__SSE2__)
/// Copies 16 bytes; returns how many at the front are plain.
int copy_block(const char* in, char* out) {
  const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(in));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), block);
  __m128i special = _mm_cmplt_epi8(block, _mm_set1_epi8(0x20));  // signed: control characters and 0x80 up
  for (const char c : {'"', '\\', '<', '>', '&'}) special = _mm_or_si128(special, _mm_cmpeq_epi8(block, _mm_set1_epi8(c)));
  const unsigned mask = static_cast<unsigned>(_mm_movemask_epi8(special));
  return mask == 0 ? 16 : __builtin_ctz(mask);
}
#else
int copy_block(const char* in, char* out) {
  std::memcpy(out, in, 16);
  int plain = 0;
  while (plain < 16) {
    const auto c = static_cast<unsigned char>(in[plain]);
    if (c >= 0x80 || kPieces[c].size != 1) break;
    ++plain;
  }
  return plain;
}
#endif

}  // namespace

Escaped escape_line(const char* in, const char* end, char* out) {
  // Binary data has something special every other byte: then blocks don't pay, and single bytes go through the table.
  constexpr int kSingles = 8;
  while (in < end) {
    while (end - in >= 16) {
      const int plain = copy_block(in, out);
      in += plain;
      out += plain;
      if (plain < 16) break;
    }
    for (int singles = 0; in < end && (singles < kSingles || end - in < 16); ++singles) {
      const auto c = static_cast<unsigned char>(*in);
      if (c == '\n') return {in, out};
      if (c < 0x80) {
        std::memcpy(out, &kPieces[c], 8);
        out += kPieces[c].size;
        ++in;
      } else {
        const Escaped next = escape_wide(in, end, out);
        in = next.in;
        out = next.out;
      }
    }
  }
  return {in, out};
}

}  // namespace berth::runtime::shim
