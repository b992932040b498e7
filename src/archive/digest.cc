#include "archive/digest.h"

#include <openssl/evp.h>

#include "base/core/error.h"
#include "base/core/text.h"

namespace berth::archive {

namespace {
constexpr std::string_view kSha512 = "sha512:";

EVP_MD_CTX* as_context(void* context) { return static_cast<EVP_MD_CTX*>(context); }
}  // namespace

DigestAlgorithm algorithm_of(std::string_view digest) {
  return digest.starts_with(kSha512) ? DigestAlgorithm::sha512 : DigestAlgorithm::sha256;
}

void Digester::Free::operator()(void* context) const { EVP_MD_CTX_free(as_context(context)); }

Digester::Digester(DigestAlgorithm algorithm) : algorithm_(algorithm), context_(EVP_MD_CTX_new()) {
  const EVP_MD* method = algorithm == DigestAlgorithm::sha512 ? EVP_sha512() : EVP_sha256();
  if (!context_ || EVP_DigestInit_ex(as_context(context_.get()), method, nullptr) != 1) {
    throw system_error("OpenSSL has no SHA-2");
  }
}

Digester::~Digester() = default;
Digester::Digester(Digester&&) noexcept = default;
Digester& Digester::operator=(Digester&&) noexcept = default;

void Digester::update(std::string_view bytes) {
  if (EVP_DigestUpdate(as_context(context_.get()), bytes.data(), bytes.size()) != 1) {
    throw system_error("SHA-2 failed");
  }
}

std::string Digester::finish() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  if (EVP_DigestFinal_ex(as_context(context_.get()), digest, &length) != 1) throw system_error("SHA-2 failed");
  return cat(algorithm_ == DigestAlgorithm::sha512 ? kSha512 : "sha256:",
             to_hex({reinterpret_cast<const char*>(digest), length}));
}

std::string digest_of(std::string_view bytes, DigestAlgorithm algorithm) {
  Digester hash{algorithm};
  hash.update(bytes);
  return hash.finish();
}

std::string sha256(std::string_view bytes) { return digest_of(bytes, DigestAlgorithm::sha256); }

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
