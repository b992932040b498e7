#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/core/stream.h"

namespace berth::archive {

/// Those that OCI registers. Spec: image-spec v1.1, descriptor.md.
enum class DigestAlgorithm { sha256, sha512 };

/// Of a digest that is valid.
DigestAlgorithm algorithm_of(std::string_view digest);

/// The digest of what is fed to it, by OpenSSL (CPU instructions where there are any).
class Digester {
 public:
  explicit Digester(DigestAlgorithm algorithm = DigestAlgorithm::sha256);
  ~Digester();
  Digester(Digester&&) noexcept;
  Digester& operator=(Digester&&) noexcept;

  void update(std::string_view bytes);
  /// "sha256:" and 64 hex digits, "sha512:" and 128; once, nothing may be fed afterwards.
  std::string finish();
  DigestAlgorithm algorithm() const { return algorithm_; }

 private:
  DigestAlgorithm algorithm_;
  struct Free {
    void operator()(void* context) const;
  };
  std::unique_ptr<void, Free> context_;
};

std::string digest_of(std::string_view bytes, DigestAlgorithm algorithm);
std::string sha256(std::string_view bytes);  ///< "sha256:…"

/// Passes a source through and hashes what was read.
class HashingSource : public ByteSource {
 public:
  explicit HashingSource(ByteSource& origin, DigestAlgorithm algorithm = DigestAlgorithm::sha256)
      : origin_(origin), hash_(algorithm) {}
  std::size_t read(char* buffer, std::size_t size) override;
  std::string finish() { return hash_.finish(); }
  std::uint64_t count() const { return count_; }  ///< bytes read so far

 private:
  ByteSource& origin_;
  Digester hash_;
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
  Digester hash_;
  std::uint64_t count_ = 0;
};

}  // namespace berth::archive
