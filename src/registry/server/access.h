#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/async/async.h"
#include "base/http/message.h"

namespace berth::registry::server {

/// Who may come in: users of a file as htpasswd -B writes it (bcrypt), or everybody when there is none.
class Access {
 public:
  struct Rules {
    std::string htpasswd_file;  ///< "" lets everybody do everything
    std::string realm = "Berth registry";
    bool anonymous_read = false;  ///< pulling needs no name
  };

  Access(Rules rules, async::BlockingPool& pool);  ///< throws invalid for a file that can't be read or has no bcrypt

  enum class Wish { read, write };
  /// Throws Refusal 401 UNAUTHORIZED when the request may not do that. Returns the user's name, "" for nobody.
  Task<std::string> check(const http::Request& request, Wish wish);
  /// Value of WWW-Authenticate.
  std::string challenge() const;

 private:
  Task<bool> is_right(std::string user, std::string password);

  Rules rules_;
  async::BlockingPool& pool_;
  std::map<std::string, std::string> hashes_;    ///< by user
  std::map<std::string, std::string> verified_;  ///< user to the SHA-256 of a password that was right: bcrypt is slow
};

}  // namespace berth::registry::server
