#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <optional>

#include "archive/tar_format.h"

/// Without it, nearly every mutation ends at the header's checksum: sets the checksums right again, header by header,
/// in seven of eight inputs.
extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

extern "C" inline std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                                      unsigned seed) {
  using namespace berth::archive::format;
  size = LLVMFuzzerMutate(data, size, max_size);
  if (seed % 8 == 0) return size;
  for (std::size_t at = 0; at + kBlock <= size;) {
    char* block = reinterpret_cast<char*>(data) + at;
    const std::string_view text{block, kBlock};
    if (std::ranges::all_of(text, [](char c) { return c == 0; })) break;
    char sum[8] = {};
    std::snprintf(sum, sizeof sum, "%06o", checksum(text));
    sum[7] = ' ';
    std::memcpy(block + kChecksum.offset, sum, sizeof sum);
    const std::int64_t length = parse_number(text.substr(kSize.offset, kSize.size)).value_or(0);
    at += kBlock;
    if (length > 0)
      at += std::min<std::uint64_t>((static_cast<std::uint64_t>(length) + kBlock - 1) / kBlock * kBlock, size);
  }
  return size;
}
