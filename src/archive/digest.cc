#include "archive/digest.h"

#include <openssl/evp.h>

#include "base/core/error.h"
#include "base/core/text.h"

namespace berth::archive {

namespace {
EVP_MD_CTX* as_context(void* context) { return static_cast<EVP_MD_CTX*>(context); }
}  // namespace

void Sha256::Free::operator()(void* context) const { EVP_MD_CTX_free(as_context(context)); }

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  if (!context_ || EVP_DigestInit_ex(as_context(context_.get()), EVP_sha256(), nullptr) != 1) {
    throw system_error("OpenSSL has no SHA-256");
  }
}

Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(std::string_view bytes) {
  if (EVP_DigestUpdate(as_context(context_.get()), bytes.data(), bytes.size()) != 1) {
    throw system_error("SHA-256 failed");
  }
}

std::string Sha256::finish() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  if (EVP_DigestFinal_ex(as_context(context_.get()), digest, &length) != 1) throw system_error("SHA-256 failed");
  return cat("sha256:", to_hex({reinterpret_cast<const char*>(digest), length}));
}

std::string sha256(std::string_view bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.finish();
}

std::size_t HashingSource::read(char* buffer, std::size_t size) {
  const std::size_t got = origin_.read(buffer, size);
  hash_.update({buffer, got});
  count_ += got;
  return got;
}

void HashingSink::write(std::string_view bytes) {
  hash_.update(bytes);
  count_ += bytes.size();
  target_.write(bytes);
}

}  // namespace berth::archive
