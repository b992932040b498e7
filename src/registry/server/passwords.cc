#include "registry/server/passwords.h"

#include <crypt.h>
#include <openssl/crypto.h>

#include <memory>

#include "archive/digest.h"
#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"
#include "registry/server/htpasswd.h"

namespace berth::registry::server {

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && ::CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

namespace {

bool fits(const std::string& password, const std::string& hash) {
  const auto data = std::make_unique<crypt_data>();  // 32 KiB
  const char* made = ::crypt_r(password.c_str(), hash.c_str(), data.get());
  return made != nullptr && equal_in_constant_time(made, hash);
}

}  // namespace

Passwords::Passwords(std::string file, async::BlockingPool& pool)
    : file_(std::move(file)), pool_(pool), hashes_(parse_htpasswd(sys::read_file(file_), file_)) {}

/// What can't be read just now, or not any more, leaves the users as they were.
void Passwords::refresh() {
  const auto info = sys::stat_if_exists(file_);
  if (!info || (info->st_ino == inode_ && info->st_mtim.tv_sec == changed_.tv_sec &&
                info->st_mtim.tv_nsec == changed_.tv_nsec)) {
    return;
  }
  try {
    hashes_ = parse_htpasswd(sys::read_file(file_), file_);
    verified_.clear();
    inode_ = info->st_ino;
    changed_ = info->st_mtim;
  } catch (const Error&) {  // half written: the next question finds it complete
  }
}

std::optional<std::string> Passwords::fingerprint(const std::string& user) {
  refresh();
  const auto at = hashes_.find(user);
  if (at == hashes_.end()) return std::nullopt;
  return archive::sha256(at->second);
}

Task<bool> Passwords::is_right(std::string user, std::string password) {
  refresh();
  const std::string fingerprint = archive::sha256(password);
  const auto known = verified_.find(user);
  if (known != verified_.end() && equal_in_constant_time(known->second, fingerprint)) co_return true;
  const auto at = hashes_.find(user);
  // A hash that fits nothing: an unknown name takes as long as a known one.
  const std::string hash =
      at == hashes_.end() ? "$2y$05$abcdefghijklmnopqrstuuJ9Zr0nS0bXl1cQ3yq1mBq9mXb7rZ7mS" : at->second;
  const auto work = [password, hash] { return fits(password, hash); };
  const bool right = co_await pool_.run(work);
  // The file may have changed meanwhile.
  const auto now = hashes_.find(user);
  if (!right || now == hashes_.end() || now->second != hash) co_return false;
  verified_[user] = fingerprint;
  co_return true;
}

}  // namespace berth::registry::server
