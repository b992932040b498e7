#include "registry/server/token.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <algorithm>

#include "base/core/base64.h"
#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"

namespace berth::registry::server {

namespace {

constexpr int kCoordinateBytes = 32;  ///< of a P-256 signature's r and s
constexpr std::size_t kMostTokenBytes = 64 << 10;

template <class T, auto free>
struct Freed {
  void operator()(T* thing) const { free(thing); }
};
using Context = std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX, EVP_MD_CTX_free>>;
using Signature = std::unique_ptr<ECDSA_SIG, Freed<ECDSA_SIG, ECDSA_SIG_free>>;
using Bio = std::unique_ptr<BIO, Freed<BIO, BIO_free_all>>;
using Certificate = std::unique_ptr<X509, Freed<X509, X509_free>>;

EVP_PKEY* native(const KeyPtr& key) { return static_cast<EVP_PKEY*>(key.get()); }
KeyPtr own(EVP_PKEY* key) { return {key, FreeKey{}}; }
Bio memory_bio(std::string_view text) { return Bio{::BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))}; }

const unsigned char* bytes_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

/// RFC 4648 5, without padding.
std::string url_base64(std::string_view bytes) {
  std::string text = base64(bytes);
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  while (text.ends_with('=')) text.pop_back();
  return text;
}

/// OpenSSL's form of an ECDSA signature to that of JWT (RFC 7518 3.4), and back.
std::string plain_signature(const std::string& der) {
  const unsigned char* at = bytes_of(der);
  const Signature signature{::d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size()))};
  std::string plain(2 * kCoordinateBytes, '\0');
  auto* out = reinterpret_cast<unsigned char*>(plain.data());
  if (!signature || ::BN_bn2binpad(::ECDSA_SIG_get0_r(signature.get()), out, kCoordinateBytes) < 0 ||
      ::BN_bn2binpad(::ECDSA_SIG_get0_s(signature.get()), out + kCoordinateBytes, kCoordinateBytes) < 0) {
    throw system_error("token: OpenSSL's signature makes no sense");
  }
  return plain;
}

std::optional<std::string> der_signature(std::string_view plain) {
  if (plain.size() != 2 * kCoordinateBytes) return std::nullopt;
  const Signature signature{::ECDSA_SIG_new()};
  ::ECDSA_SIG_set0(signature.get(), ::BN_bin2bn(bytes_of(plain), kCoordinateBytes, nullptr),
                   ::BN_bin2bn(bytes_of(plain) + kCoordinateBytes, kCoordinateBytes, nullptr));
  unsigned char* made = nullptr;
  const int size = ::i2d_ECDSA_SIG(signature.get(), &made);
  if (size <= 0) return std::nullopt;
  std::string der{reinterpret_cast<char*>(made), static_cast<std::size_t>(size)};
  ::OPENSSL_free(made);
  return der;
}

bool is_signed_by(EVP_PKEY* key, std::string_view signed_text, std::string_view signature) {
  const Context context{::EVP_MD_CTX_new()};
  return ::EVP_DigestVerifyInit(context.get(), nullptr, ::EVP_sha256(), nullptr, key) == 1 &&
         ::EVP_DigestVerify(context.get(), bytes_of(signature), signature.size(), bytes_of(signed_text),
                            signed_text.size()) == 1;
}

struct TokenHead {
  std::string algorithm;
  static void describe(auto& self, auto&& field) { field("alg", self.algorithm); }
};

std::string private_pem(EVP_PKEY* key) {
  const Bio bio{::BIO_new(::BIO_s_mem())};
  char* data = nullptr;
  if (::PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    throw system_error("token: the key can't be written");
  }
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

}  // namespace

void FreeKey::operator()(void* key) const { ::EVP_PKEY_free(static_cast<EVP_PKEY*>(key)); }

// ---- claims ----

bool TokenClaims::is_for(std::string_view service) const {
  if (audience.text.empty()) return false;
  const boost::json::value value = json::parse(audience.text);
  if (value.is_string()) return std::string_view{value.get_string()} == service;
  return value.is_array() && std::ranges::any_of(value.get_array(), [&](const boost::json::value& one) {
           return one.is_string() && std::string_view{one.get_string()} == service;
         });
}

Actions TokenClaims::may(std::string_view repository) const {
  Actions sum;
  for (const TokenGrant& grant : access) {
    if (grant.type != "repository" || grant.name != repository) continue;
    for (const std::string& action : grant.actions) sum = sum | parse_action(action);
  }
  return sum;
}

bool TokenClaims::may_list() const {
  return std::ranges::any_of(access, [](const TokenGrant& grant) {
    return grant.type == "registry" && grant.name == "catalog" &&
           std::ranges::find(grant.actions, "*") != grant.actions.end();
  });
}

std::vector<TokenGrant> parse_scope(std::string_view text) {
  std::vector<TokenGrant> grants;
  for (const std::string& word : split(text, ' ')) {
    const std::size_t first = word.find(':'), last = word.rfind(':');
    if (first == std::string::npos || first == last) continue;
    TokenGrant grant{.type = word.substr(0, first), .name = word.substr(first + 1, last - first - 1), .actions = {}};
    // "repository(plugin)": a class, which makes no difference here.
    grant.type = grant.type.substr(0, grant.type.find('('));
    if (grant.type.empty() || grant.name.empty()) continue;
    grant.actions = split(word.substr(last + 1), ',');
    grants.push_back(std::move(grant));
  }
  return grants;
}

// ---- keys ----

SigningKey SigningKey::open(const std::string& path) {
  if (const auto text = sys::read_file_if_exists(path)) {
    const Bio bio = memory_bio(*text);
    KeyPtr key = own(::PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
    if (!key || ::EVP_PKEY_get_base_id(native(key)) != EVP_PKEY_EC || ::EVP_PKEY_get_bits(native(key)) != 256) {
      throw invalid(cat(path, " holds no P-256 key; without the file a new one is made"));
    }
    return SigningKey{std::move(key)};
  }
  KeyPtr key = own(EVP_EC_gen("P-256"));
  if (!key) throw system_error("token: no key can be made");
  sys::write_file_durably(path, private_pem(native(key)), 0600);
  return SigningKey{std::move(key)};
}

std::string SigningKey::sign(const TokenClaims& claims) const {
  std::string text = cat(url_base64(R"({"alg":"ES256","typ":"JWT"})"), ".", url_base64(json::to_json(claims)));
  const Context context{::EVP_MD_CTX_new()};
  std::string der(256, '\0');
  std::size_t size = der.size();
  if (::EVP_DigestSignInit(context.get(), nullptr, ::EVP_sha256(), nullptr, native(key_)) != 1 ||
      ::EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(der.data()), &size, bytes_of(text),
                       text.size()) != 1) {
    throw system_error("token: signing failed");
  }
  der.resize(size);
  return cat(text, ".", url_base64(plain_signature(der)));
}

VerifyingKeys::VerifyingKeys(std::string_view pem) {
  constexpr std::string_view kBegin = "-----BEGIN ";
  for (std::size_t at = pem.find(kBegin); at != std::string_view::npos; at = pem.find(kBegin, at + 1)) {
    const Bio bio = memory_bio(pem.substr(at));
    if (pem.substr(at + kBegin.size()).starts_with("CERTIFICATE")) {
      const Certificate certificate{::PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)};
      if (certificate) keys_.push_back(own(::X509_get_pubkey(certificate.get())));
    } else if (EVP_PKEY* key = ::PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr)) {
      keys_.push_back(own(key));
    }
  }
  if (keys_.empty()) throw invalid("there is neither a certificate nor a public key in it");
}

std::optional<TokenClaims> VerifyingKeys::verify(std::string_view token) const {
  if (token.size() > kMostTokenBytes) return std::nullopt;
  const std::size_t first = token.find('.'), last = token.rfind('.');
  if (first == std::string_view::npos || first == last) return std::nullopt;
  const auto head = decode_any_base64(token.substr(0, first));
  const auto body = decode_any_base64(token.substr(first + 1, last - first - 1));
  const auto signature = decode_any_base64(token.substr(last + 1));
  if (!head || !body || !signature) return std::nullopt;
  try {
    const std::string algorithm = json::from_json<TokenHead>(*head).algorithm;
    const std::string_view signed_text = token.substr(0, last);
    for (const KeyPtr& key : keys_) {
      const int type = ::EVP_PKEY_get_base_id(native(key));
      if (algorithm == "ES256" && type == EVP_PKEY_EC) {
        const auto der = der_signature(*signature);
        if (der && is_signed_by(native(key), signed_text, *der)) return json::from_json<TokenClaims>(*body);
      } else if (algorithm == "RS256" && type == EVP_PKEY_RSA) {
        if (is_signed_by(native(key), signed_text, *signature)) return json::from_json<TokenClaims>(*body);
      }
    }
  } catch (const Error&) {  // JSON that is none
  }
  return std::nullopt;
}

}  // namespace berth::registry::server
