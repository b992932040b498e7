#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/core/stream.h"

namespace berth::archive {

/// SHA-256 of what is fed to it, by OpenSSL (CPU instructions where there are any).
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void update(std::string_view bytes);
  /// "sha256:" and 64 hex digits; once, nothing may be fed afterwards.
  std::string finish();

 private:
  struct Free {
    void operator()(void* context) const;
  };
  std::unique_ptr<void, Free> context_;
};

std::string sha256(std::string_view bytes);  ///< "sha256:…"

/// Passes a source through and hashes what was read.
class HashingSource : public ByteSource {
 public:
  explicit HashingSource(ByteSource& origin) : origin_(origin) {}
  std::size_t read(char* buffer, std::size_t size) override;
  std::string finish() { return hash_.finish(); }
  std::uint64_t count() const { return count_; }  ///< bytes read so far

 private:
  ByteSource& origin_;
  Sha256 hash_;
  std::uint64_t count_ = 0;
};

/// Passes bytes on to a sink and hashes them.
class HashingSink : public ByteSink {
 public:
  explicit HashingSink(ByteSink& target) : target_(target) {}
  void write(std::string_view bytes) override;
  std::string finish() { return hash_.finish(); }
  std::uint64_t count() const { return count_; }

 private:
  ByteSink& target_;
  Sha256 hash_;
  std::uint64_t count_ = 0;
};

}  // namespace berth::archive
