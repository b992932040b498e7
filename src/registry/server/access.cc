#include "registry/server/access.h"

#include <crypt.h>
#include <openssl/crypto.h>

#include <memory>

#include "archive/digest.h"
#include "base/core/base64.h"
#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"
#include "registry/server/errors.h"

namespace berth::registry::server {

namespace {

bool equal(std::string_view a, std::string_view b) {
  return a.size() == b.size() && ::CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

bool fits(const std::string& password, const std::string& hash) {
  const auto data = std::make_unique<crypt_data>();  // 32 KiB
  const char* made = ::crypt_r(password.c_str(), hash.c_str(), data.get());
  return made != nullptr && equal(made, hash);
}

struct NamePassword {
  std::string name, password;
};

std::optional<NamePassword> basic_credentials(const http::Request& request) {
  const auto header = request.header("authorization");
  constexpr std::string_view kBasic = "basic ";
  if (!header || header->size() < kBasic.size() || !iequals(header->substr(0, kBasic.size()), kBasic)) return {};
  const auto pair = decode_any_base64(trim(header->substr(kBasic.size())));
  const std::size_t colon = pair ? pair->find(':') : std::string::npos;
  if (colon == std::string::npos) return {};
  return NamePassword{.name = pair->substr(0, colon), .password = pair->substr(colon + 1)};
}

}  // namespace

Access::Access(Rules rules, async::BlockingPool& pool) : rules_(std::move(rules)), pool_(pool) {
  if (rules_.htpasswd_file.empty()) return;
  for (const std::string& line : split(sys::read_file(rules_.htpasswd_file), '\n')) {
    const std::string_view text = trim(line);
    if (text.empty() || text.starts_with('#')) continue;
    const std::size_t colon = text.find(':');
    const std::string_view hash = colon == std::string_view::npos ? std::string_view{} : text.substr(colon + 1);
    if (!hash.starts_with("$2y$") && !hash.starts_with("$2a$") && !hash.starts_with("$2b$")) {
      throw invalid(cat(rules_.htpasswd_file, ": only bcrypt is taken; make it with htpasswd -B"));
    }
    hashes_[std::string{text.substr(0, colon)}] = hash;
  }
}

std::string Access::challenge() const { return cat("Basic realm=", quoted(rules_.realm)); }

Task<bool> Access::is_right(std::string user, std::string password) {
  const std::string fingerprint = archive::sha256(password);
  const auto known = verified_.find(user);
  if (known != verified_.end() && equal(known->second, fingerprint)) co_return true;
  const auto at = hashes_.find(user);
  // A hash that fits nothing: an unknown name takes as long as a known one.
  const std::string hash =
      at == hashes_.end() ? "$2y$05$abcdefghijklmnopqrstuuJ9Zr0nS0bXl1cQ3yq1mBq9mXb7rZ7mS" : at->second;
  const auto work = [password, hash] { return fits(password, hash); };
  const bool right = co_await pool_.run(work);
  if (!right || at == hashes_.end()) co_return false;
  verified_[user] = fingerprint;
  co_return true;
}

Task<std::string> Access::check(const http::Request& request, Wish wish) {
  if (rules_.htpasswd_file.empty()) co_return "";
  const std::optional<NamePassword> given = basic_credentials(request);
  if (given) {
    if (co_await is_right(given->name, given->password)) co_return given->name;
  } else if (wish == Wish::read && rules_.anonymous_read) {
    co_return "";
  }
  throw Refusal{401, "UNAUTHORIZED", "authentication required"};
}

}  // namespace berth::registry::server
