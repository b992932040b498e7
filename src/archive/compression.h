#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/core/stream.h"

namespace berth::archive {

enum class Compression { none, gzip, zstd, bzip2, xz };

/// By the first bytes; none when there are fewer than the magic needs.
Compression detect_compression(std::string_view first_bytes);

/// A source that first gives `head` back and then the rest of `origin`: for looking at the start of a stream.
class PeekedSource : public ByteSource {
 public:
  explicit PeekedSource(ByteSource& origin) : origin_(origin) {}
  /// The first `size` bytes (fewer at the end of the stream); they are still to be read.
  std::string_view peek(std::size_t size);
  std::size_t read(char* buffer, std::size_t size) override;

 private:
  ByteSource& origin_;
  std::string head_;
  std::size_t given_ = 0;
};

/// The plain bytes of `origin`, which must outlive the result. gzip (also several members one after the other) and
/// zstd are unpacked as they are read; a truncated stream throws invalid "unexpected EOF", a damaged one says so.
/// bzip2 and xz throw not_implemented.
std::unique_ptr<ByteSource> decompress(ByteSource& origin, Compression compression);

/// Compresses to `target` with zstd; finish() ends the frame.
class ZstdSink : public ByteSink {
 public:
  explicit ZstdSink(ByteSink& target, int level = 1);
  ~ZstdSink() override;
  void write(std::string_view bytes) override;
  void finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Compresses to `target` with gzip, quickly: independent members of half a MiB, which every reader of gzip takes for
/// one stream. The same bytes give the same stream. finish() ends it. Spec: RFC 1952, 2.2.
class GzipSink : public ByteSink {
 public:
  /// Whether a stream that begins like this says that it is from here: from its plain bytes it can be made again. Needs
  /// the first kHeadBytes. Anybody can write what it looks at.
  static bool has_made(std::string_view first_bytes);
  static constexpr std::size_t kHeadBytes = 18;

  explicit GzipSink(ByteSink& target, int level = 1);
  ~GzipSink() override;
  void write(std::string_view bytes) override;
  void finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace berth::archive
