#pragma once

#include <sys/stat.h>

#include <map>
#include <optional>
#include <string>

#include "base/async/async.h"

namespace berth::registry::server {

/// Users of a file as htpasswd -B writes it (bcrypt). A changed file is read again with the next question. On the loop.
class Passwords {
 public:
  /// Throws invalid for a file that has something else than bcrypt, system for one that can't be read.
  Passwords(std::string file, async::BlockingPool& pool);

  Task<bool> is_right(std::string user, std::string password);
  /// Changes with the user's password; nullopt when there is no such user.
  std::optional<std::string> fingerprint(const std::string& user);

 private:
  void refresh();

  std::string file_;
  async::BlockingPool& pool_;
  std::map<std::string, std::string> hashes_;    ///< by user
  std::map<std::string, std::string> verified_;  ///< user to the SHA-256 of a password that was right: bcrypt is slow
  timespec changed_{};
  ino_t inode_ = 0;
};

bool equal_in_constant_time(std::string_view a, std::string_view b);

}  // namespace berth::registry::server
