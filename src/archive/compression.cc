#include "archive/compression.h"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>

#include "base/core/error.h"
#include "base/core/text.h"

namespace berth::archive {

namespace {

constexpr std::size_t kInputBytes = 64 << 10;

Error truncated() { return invalid("unexpected EOF"); }

class GzipSource : public ByteSource {
 public:
  explicit GzipSource(ByteSource& origin) : origin_(origin), input_(kInputBytes, '\0') {
    if (inflateInit2(&stream_, 15 + 16) != Z_OK) throw system_error("gzip: out of memory");
  }
  ~GzipSource() override { inflateEnd(&stream_); }
  GzipSource(const GzipSource&) = delete;
  GzipSource& operator=(const GzipSource&) = delete;

  std::size_t read(char* buffer, std::size_t size) override {
    stream_.next_out = reinterpret_cast<Bytef*>(buffer);
    stream_.avail_out = static_cast<uInt>(std::min<std::size_t>(size, 1 << 30));
    const uInt wanted = stream_.avail_out;
    while (!ended_ && stream_.avail_out == wanted) {
      if (stream_.avail_in == 0 && !refill()) {
        if (between_members_)
          ended_ = true;
        else
          throw truncated();
        break;
      }
      step();
    }
    return wanted - stream_.avail_out;
  }

 private:
  bool refill() {
    stream_.avail_in = static_cast<uInt>(origin_.read(input_.data(), input_.size()));
    stream_.next_in = reinterpret_cast<Bytef*>(input_.data());
    return stream_.avail_in != 0;
  }

  void step() {
    if (between_members_ && *stream_.next_in == 0) {  // padding after the last member, as tape blocks have it
      ++stream_.next_in;
      --stream_.avail_in;
      return;
    }
    between_members_ = false;
    const int code = inflate(&stream_, Z_NO_FLUSH);
    if (code == Z_STREAM_END) {
      between_members_ = true;
      inflateReset(&stream_);
    } else if (code != Z_OK && code != Z_BUF_ERROR) {
      throw invalid(cat("gzip: invalid data", stream_.msg != nullptr ? cat(": ", stream_.msg) : std::string{}));
    }
  }

  ByteSource& origin_;
  std::string input_;
  z_stream stream_{};
  bool between_members_ = false, ended_ = false;
};

class ZstdSource : public ByteSource {
 public:
  explicit ZstdSource(ByteSource& origin) : origin_(origin), stream_(ZSTD_createDStream()), input_(kInputBytes, '\0') {
    if (!stream_) throw system_error("zstd: out of memory");
    // A frame may ask for a window of its own choice: 128 MiB is what zstd --long gives, more is refused.
    ZSTD_DCtx_setParameter(stream_.get(), ZSTD_d_windowLogMax, 27);
  }

  std::size_t read(char* buffer, std::size_t size) override {
    ZSTD_outBuffer out{buffer, size, 0};
    while (out.pos == 0) {
      if (in_.pos == in_.size && !flushing_) {
        in_ = {input_.data(), origin_.read(input_.data(), input_.size()), 0};
        if (in_.size == 0) {
          if (in_frame_) throw truncated();
          return 0;
        }
      }
      const std::size_t result = ZSTD_decompressStream(stream_.get(), &out, &in_);
      if (ZSTD_isError(result) != 0) throw invalid(cat("zstd: ", ZSTD_getErrorName(result)));
      in_frame_ = result != 0;
      flushing_ = out.pos == out.size && in_frame_;  // more output may be waiting inside
    }
    return out.pos;
  }

 private:
  struct Free {
    void operator()(ZSTD_DStream* stream) const { ZSTD_freeDStream(stream); }
  };
  ByteSource& origin_;
  std::unique_ptr<ZSTD_DStream, Free> stream_;
  std::string input_;
  ZSTD_inBuffer in_{};
  bool in_frame_ = false, flushing_ = false;
};

class PlainSource : public ByteSource {
 public:
  explicit PlainSource(ByteSource& origin) : origin_(origin) {}
  std::size_t read(char* buffer, std::size_t size) override { return origin_.read(buffer, size); }

 private:
  ByteSource& origin_;
};

}  // namespace

Compression detect_compression(std::string_view first_bytes) {
  using namespace std::string_view_literals;
  if (first_bytes.starts_with("\x1F\x8B\x08"sv)) return Compression::gzip;
  if (first_bytes.starts_with("\x28\xB5\x2F\xFD"sv)) return Compression::zstd;
  // A zstd stream may begin with a skippable frame (magic 0x184D2A50 to 0x184D2A5F).
  if (first_bytes.size() >= 4 && (first_bytes[0] & 0xF0) == 0x50 && first_bytes.substr(1, 3) == "\x2A\x4D\x18"sv) {
    return Compression::zstd;
  }
  if (first_bytes.starts_with("BZh"sv)) return Compression::bzip2;
  if (first_bytes.starts_with("\xFD\x37\x7A\x58\x5A\x00"sv)) return Compression::xz;
  return Compression::none;
}

std::string_view PeekedSource::peek(std::size_t size) {
  while (head_.size() - given_ < size) {
    char piece[512];
    const std::size_t got = origin_.read(piece, std::min(sizeof piece, size - (head_.size() - given_)));
    if (got == 0) break;
    head_.append(piece, got);
  }
  return std::string_view{head_}.substr(given_, size);
}

std::size_t PeekedSource::read(char* buffer, std::size_t size) {
  if (given_ == head_.size()) return origin_.read(buffer, size);
  const std::size_t count = std::min(size, head_.size() - given_);
  std::memcpy(buffer, head_.data() + given_, count);
  given_ += count;
  return count;
}

std::unique_ptr<ByteSource> decompress(ByteSource& origin, Compression compression) {
  switch (compression) {
    case Compression::none: return std::make_unique<PlainSource>(origin);
    case Compression::gzip: return std::make_unique<GzipSource>(origin);
    case Compression::zstd: return std::make_unique<ZstdSource>(origin);
    case Compression::bzip2:
      throw not_implemented("archives compressed with bzip2 are not supported: use gzip or zstd");
    case Compression::xz: throw not_implemented("archives compressed with xz are not supported: use gzip or zstd");
  }
  throw invalid("unknown compression");
}

struct ZstdSink::Impl {
  struct Free {
    void operator()(ZSTD_CStream* doomed) const { ZSTD_freeCStream(doomed); }
  };
  ByteSink& target;
  std::unique_ptr<ZSTD_CStream, Free> stream{ZSTD_createCStream()};
  std::string output = std::string(64 << 10, '\0');

  std::size_t step(ZSTD_inBuffer& in, ZSTD_EndDirective mode) {
    ZSTD_outBuffer out{output.data(), output.size(), 0};
    const std::size_t left = ZSTD_compressStream2(stream.get(), &out, &in, mode);
    if (ZSTD_isError(left) != 0) throw system_error(cat("zstd: ", ZSTD_getErrorName(left)));
    if (out.pos != 0) target.write({output.data(), out.pos});
    return left;
  }
};

ZstdSink::ZstdSink(ByteSink& target, int level) : impl_(new Impl{target}) {
  if (!impl_->stream) throw system_error("zstd: out of memory");
  ZSTD_CCtx_setParameter(impl_->stream.get(), ZSTD_c_compressionLevel, level);
}

ZstdSink::~ZstdSink() = default;

void ZstdSink::write(std::string_view bytes) {
  ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
  while (in.pos < in.size) impl_->step(in, ZSTD_e_continue);
}

void ZstdSink::finish() {
  ZSTD_inBuffer in{nullptr, 0, 0};
  while (impl_->step(in, ZSTD_e_end) != 0) {
  }
}

}  // namespace berth::archive
