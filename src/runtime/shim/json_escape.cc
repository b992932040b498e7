#include "runtime/shim/json_escape.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace berth::runtime::shim {
namespace {

/// What one byte by itself becomes: up to six bytes, copied as eight.
struct Piece {
  char text[7];
  std::uint8_t size;
};

constexpr std::array<Piece, 256> make_pieces() {
  std::array<Piece, 256> pieces{};
  constexpr char kDigits[] = "0123456789abcdef";
  for (int c = 0; c < 256; ++c) {
    Piece& piece = pieces[static_cast<std::size_t>(c)];
    if (c == '"' || c == '\\') {
      piece = {{'\\', static_cast<char>(c)}, 2};
    } else if (c == '\r') {
      piece = {{'\\', 'r'}, 2};
    } else if (c < 0x20 || c == '<' || c == '>' || c == '&') {
      piece = {{'\\', 'u', '0', '0', kDigits[c >> 4], kDigits[c & 15]}, 6};
    } else if (c >= 0x80) {
      piece = {{'\xef', '\xbf', '\xbd'}, 3};
    } else {
      piece = {{static_cast<char>(c)}, 1};
    }
  }
  return pieces;
}
constexpr std::array<Piece, 256> kPieces = make_pieces();

constexpr std::uint8_t kNewline = 1, kLead = 2;
constexpr std::array<std::uint8_t, 256> make_classes() {
  std::array<std::uint8_t, 256> classes{};
  classes['\n'] = kNewline;
  for (std::size_t c = 0xc2; c <= 0xf4; ++c) classes[c] = kLead;
  return classes;
}
constexpr std::array<std::uint8_t, 256> kClasses = make_classes();

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

/// One character whose first bytes look like UTF-8.
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

/// Takes up to `count` bytes singly. For binary data the processor can't foresee what comes, so there is a branch only
/// for what is rare: a newline, and a lead byte that a continuation byte follows.
struct Singles {
  Escaped at;
  bool newline;
};
Singles escape_singly(const char* in, const char* end, char* out, std::ptrdiff_t count) {
  const char* const stop = in + std::min(count, end - in);
  while (in < stop) {
    const auto c = static_cast<unsigned char>(*in);
    const auto next = static_cast<unsigned char>(in + 1 < end ? in[1] : 0);
    const bool newline = kClasses[c] == kNewline;
    const bool wide = static_cast<bool>((kClasses[c] == kLead) & ((next & 0xc0) == 0x80));
    if (static_cast<bool>(newline | wide)) [[unlikely]] {
      if (newline) return {{in, out}, true};
      const Escaped after = escape_wide(in, end, out);
      in = after.in;
      out = after.out;
      continue;
    }
    std::memcpy(out, &kPieces[c], 8);
    out += kPieces[c].size;
    ++in;
  }
  return {{in, out}, false};
}

#if defined(__SSE2__)
/// Copies 16 bytes; returns how many at the front are plain.
int copy_block(const char* in, char* out) {
  const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(in));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), block);
  __m128i special = _mm_cmplt_epi8(block, _mm_set1_epi8(0x20));  // signed: control characters and 0x80 up
  for (const char c : {'"', '\\', '<', '>', '&'})
    special = _mm_or_si128(special, _mm_cmpeq_epi8(block, _mm_set1_epi8(c)));
  const unsigned mask = static_cast<unsigned>(_mm_movemask_epi8(special));
  return mask == 0 ? 16 : __builtin_ctz(mask);
}
#else
int copy_block(const char* in, char* out) {
  std::memcpy(out, in, 16);
  int plain = 0;
  while (plain < 16) {
    const auto c = static_cast<unsigned char>(in[plain]);
    if (kPieces[c].size != 1) break;
    ++plain;
  }
  return plain;
}
#endif

}  // namespace

Escaped escape_line(const char* in, const char* end, char* out) {
  constexpr std::ptrdiff_t kBlock = 16, kFewSingles = 8, kManySingles = 256;
  std::ptrdiff_t singles = kFewSingles;
  while (in < end) {
    int plain = kBlock;
    while (plain == kBlock && end - in >= kBlock) {
      plain = copy_block(in, out);
      in += plain;
      out += plain;
    }
    // Text has something special now and then, binary data every other byte: there blocks don't pay.
    singles = plain < 4 ? std::min(singles * 2, kManySingles) : kFewSingles;
    const Singles done = escape_singly(in, end, out, end - in < kBlock ? end - in : singles);
    if (done.newline) return done.at;
    in = done.at.in;
    out = done.at.out;
  }
  return {in, out};
}

}  // namespace berth::runtime::shim
