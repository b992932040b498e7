#include <libdeflate.h>

#include <algorithm>

#include "archive/compression.h"
#include "base/core/error.h"

namespace berth::archive {

namespace {
constexpr std::size_t kMemberBytes = 512 << 10;
}

struct GzipSink::Impl {
  struct Free {
    void operator()(libdeflate_compressor* doomed) const { libdeflate_free_compressor(doomed); }
  };
  ByteSink& target;
  std::unique_ptr<libdeflate_compressor, Free> compressor;
  std::string input, output;
  bool anything_written = false;

  void write_member() {
    output.resize(libdeflate_gzip_compress_bound(compressor.get(), input.size()));
    const std::size_t size =
        libdeflate_gzip_compress(compressor.get(), input.data(), input.size(), output.data(), output.size());
    if (size == 0) throw system_error("gzip: a block could not be compressed");
    target.write(std::string_view{output}.substr(0, size));
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
