#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

/// Where the fields of a tar header block are.
namespace berth::archive::format {

inline constexpr std::size_t kBlock = 512;

struct Field {
  std::size_t offset, size;
};
inline constexpr Field kName{0, 100}, kMode{100, 8}, kUid{108, 8}, kGid{116, 8}, kSize{124, 12}, kMtime{136, 12},
    kChecksum{148, 8}, kType{156, 1}, kLink{157, 100}, kMagic{257, 8}, kUser{265, 32}, kGroup{297, 32}, kMajor{329, 8},
    kMinor{337, 8}, kPrefix{345, 155};
// Old GNU sparse files: four pieces of (offset, size), 12 bytes each number, and more in extension blocks.
inline constexpr std::size_t kSparsePieces = 386, kSparseMore = 482, kSparseRealSize = 483;
inline constexpr std::size_t kSparseExtensionPieces = 21, kSparseExtensionMore = 504;

inline constexpr std::string_view kUstarMagic{"ustar\00000", 8}, kGnuMagic{"ustar  \0", 8};

/// A number field: octal with spaces or NULs around it, or base 256 with the top bit set. Empty is 0; nullopt for
/// anything else and for what does not fit.
std::optional<std::int64_t> parse_number(std::string_view field);
/// Text up to the first NUL.
std::string_view parse_text(std::string_view field);
/// The sum over a header with the checksum field taken as spaces.
std::uint32_t checksum(std::string_view block);
/// Whether the checksum field holds it; historic writers summed signed characters.
bool checksum_matches(std::string_view block);

}  // namespace berth::archive::format
