#include <libdeflate.h>

#include <algorithm>
#include <cstdint>

#include "archive/compression.h"
#include "base/core/error.h"

namespace berth::archive {

using namespace std::string_view_literals;

namespace {

constexpr std::size_t kMemberBytes = 512 << 10;

/// Before each member: gzip, deflate, an extra field, no time, the quickest way, no system; the field has 6 bytes:
/// "Be", 2 bytes, the form. The form counts what has ever come out of the same bytes (compression_test.cc knows). Spec:
/// RFC 1952, 2.3.
constexpr std::string_view kHead = "\x1F\x8B\x08\x04\0\0\0\0\x04\xFF\x06\0Be\x02\0\x01\0"sv;
static_assert(kHead.size() == GzipSink::kHeadBytes);
constexpr std::size_t kTailBytes = 8;

void put_number(char* at, std::uint32_t number) {
  for (int i = 0; i < 4; ++i) at[i] = static_cast<char>(number >> (8 * i));
}

}  // namespace

bool GzipSink::has_made(std::string_view first_bytes) { return first_bytes.starts_with(kHead); }

struct GzipSink::Impl {
  struct Free {
    void operator()(libdeflate_compressor* doomed) const { libdeflate_free_compressor(doomed); }
  };
  ByteSink& target;
  std::unique_ptr<libdeflate_compressor, Free> compressor;
  std::string input, output;
  bool anything_written = false;

  void write_member() {
    const std::size_t room = libdeflate_deflate_compress_bound(compressor.get(), input.size());
    output.resize(kHead.size() + room + kTailBytes);
    kHead.copy(output.data(), kHead.size());
    char* const body = output.data() + kHead.size();
    const std::size_t size = libdeflate_deflate_compress(compressor.get(), input.data(), input.size(), body, room);
    if (size == 0) throw system_error("gzip: a block could not be compressed");
    put_number(body + size, libdeflate_crc32(0, input.data(), input.size()));
    put_number(body + size + 4, static_cast<std::uint32_t>(input.size()));
    target.write({output.data(), kHead.size() + size + kTailBytes});
    input.clear();
    anything_written = true;
  }
};

GzipSink::GzipSink(ByteSink& target, int level)
    : impl_(
          new Impl{.target = target,
                   .compressor = std::unique_ptr<libdeflate_compressor, Impl::Free>{libdeflate_alloc_compressor(level)},
                   .input = {},
                   .output = {}}) {
  if (!impl_->compressor) throw system_error("gzip: out of memory");
  impl_->input.reserve(kMemberBytes);
}

GzipSink::~GzipSink() = default;

void GzipSink::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t taken = std::min(bytes.size(), kMemberBytes - impl_->input.size());
    impl_->input.append(bytes.substr(0, taken));
    bytes.remove_prefix(taken);
    if (impl_->input.size() == kMemberBytes) impl_->write_member();
  }
}

void GzipSink::finish() {
  if (!impl_->input.empty() || !impl_->anything_written) impl_->write_member();
}

}  // namespace berth::archive
