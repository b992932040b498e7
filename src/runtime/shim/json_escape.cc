#include "runtime/shim/json_escape.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <utility>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace berth::runtime::shim {
namespace {

/// What one byte becomes: up to six bytes, copied as eight.
struct Piece {
  char text[7];
  std::uint8_t size;
};

/// The first 256 are for bytes by themselves, the others for bytes that stay as they are.
constexpr std::size_t kKept = 256;
constexpr std::array<Piece, 2 * kKept> make_pieces() {
  std::array<Piece, 2 * kKept> pieces{};
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
    pieces[static_cast<std::size_t>(c) + kKept] = {{static_cast<char>(c)}, 1};
  }
  return pieces;
}
constexpr std::array<Piece, 2 * kKept> kPieces = make_pieces();

char* put(std::size_t piece, char* out) {
  std::memcpy(out, &kPieces[piece], sizeof(Piece));
  return out + kPieces[piece].size;
}

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

struct Taken {
  Escaped at;
  bool newline;
};

/// Takes up to `count` bytes singly. There is a branch only for what is rare: a newline, and a lead byte that a
/// continuation byte follows.
Taken escape_singly(const char* in, const char* end, char* out, std::ptrdiff_t count) {
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
    out = put(c, out);
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

/// 32 bytes.
struct Block {
  __m128i low, high;

  Block operator&(const Block& other) const { return {_mm_and_si128(low, other.low), _mm_and_si128(high, other.high)}; }
  Block operator|(const Block& other) const { return {_mm_or_si128(low, other.low), _mm_or_si128(high, other.high)}; }
  Block without(const Block& other) const {
    return {_mm_andnot_si128(other.low, low), _mm_andnot_si128(other.high, high)};
  }
  /// Each byte in the place of the one before it, or behind it; 0 comes in.
  Block earlier() const {
    return {_mm_or_si128(_mm_srli_si128(low, 1), _mm_slli_si128(high, 15)), _mm_srli_si128(high, 1)};
  }
  Block later() const {
    return {_mm_slli_si128(low, 1), _mm_or_si128(_mm_slli_si128(high, 1), _mm_srli_si128(low, 15))};
  }
  unsigned bits() const {
    return static_cast<unsigned>(_mm_movemask_epi8(low)) | static_cast<unsigned>(_mm_movemask_epi8(high)) << 16;
  }
};

/// Binary data, of which every other byte is special and the processor can't foresee which: 32 bytes are classified
/// together, so that there is a branch only once in some hundred bytes. Ends where text begins.
Taken escape_binary(const char* in, const char* end, char* out) {
  constexpr std::ptrdiff_t kBlock = 32;
  constexpr int kSeen = 30;  // behind these stand two more, enough to judge them by
  while (end - in >= kBlock) {
    const auto* const at = reinterpret_cast<const __m128i*>(in);
    const Block bytes{_mm_loadu_si128(at), _mm_loadu_si128(at + 1)};
    const auto below = [&](int limit) {  // 0x80 to limit: as signed numbers the least
      const __m128i limits = _mm_set1_epi8(static_cast<char>(limit));
      return Block{_mm_cmplt_epi8(bytes.low, limits), _mm_cmplt_epi8(bytes.high, limits)};
    };
    const __m128i newline = _mm_set1_epi8('\n');
    const unsigned newlines = Block{_mm_cmpeq_epi8(bytes.low, newline), _mm_cmpeq_epi8(bytes.high, newline)}.bits();
    const Block followed = below(0xc0).earlier(), below_e0 = below(0xe0);
    const Block pairs = below_e0.without(below(0xc2)) & followed, seconds = pairs.later();
    const unsigned longer = (below(0xf5).without(below_e0) & followed & followed.earlier()).bits();

    int count = __builtin_ctz(newlines | longer | 1U << kSeen);
    count += static_cast<int>(seconds.bits() >> count & 1);  // a pair stays together

    // Which piece each byte becomes, as 16-bit numbers: the byte, and kKept for those of a pair.
    const __m128i one = _mm_set1_epi8(1);
    const Block kept = (pairs | seconds) & Block{one, one};
    alignas(16) std::uint16_t pieces[kBlock];
    auto* const to = reinterpret_cast<__m128i*>(pieces);
    _mm_store_si128(to, _mm_unpacklo_epi8(bytes.low, kept.low));
    _mm_store_si128(to + 1, _mm_unpackhi_epi8(bytes.low, kept.low));
    _mm_store_si128(to + 2, _mm_unpacklo_epi8(bytes.high, kept.high));
    _mm_store_si128(to + 3, _mm_unpackhi_epi8(bytes.high, kept.high));
    const char* const begin = out;
    for (int i = 0; i < count; ++i) out = put(pieces[i], out);

    in += count;
    if ((newlines >> count & 1) != 0) return {{in, out}, true};
    if ((longer >> count & 1) != 0) {
      const Escaped after = escape_wide(in, end, out);
      in = after.in;
      out = after.out;
    }
    if (out - begin < count + 8) return {{in, out}, false};
  }
  return escape_singly(in, end, out, kBlock);
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

Taken escape_binary(const char* in, const char* end, char* out) { return escape_singly(in, end, out, 256); }
#endif

}  // namespace

Escaped escape_line(const char* in, const char* end, char* out) {
  constexpr std::ptrdiff_t kBlock = 16, kFewSingles = 8;
  bool dense = false;
  while (in < end) {
    int plain = kBlock;
    while (plain == kBlock && end - in >= kBlock) {
      plain = copy_block(in, out);
      in += plain;
      out += plain;
    }
    // Text has something special now and then; twice at once is the mark of binary data.
    const bool again = std::exchange(dense, plain < 4) && dense;
    const Taken taken = again ? escape_binary(in, end, out) : escape_singly(in, end, out, kFewSingles);
    if (taken.newline) return taken.at;
    in = taken.at.in;
    out = taken.at.out;
  }
  return {in, out};
}

}  // namespace berth::runtime::shim
