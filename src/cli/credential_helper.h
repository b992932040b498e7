#pragma once

#include <optional>
#include <string>

namespace berth::cli {

struct Login {
  std::string username, password;
  std::string identity_token;  ///< in place of the password
};

/// A program that keeps logins in a keychain: docker-credential-NAME of the PATH. Each call runs it once and throws
/// with docker's words when that fails. Spec: docker/docker-credential-helpers, "Development".
class CredentialHelper {
 public:
  explicit CredentialHelper(const std::string& name) : program_("docker-credential-" + name) {}

  std::optional<Login> get(const std::string& server) const;
  void store(const std::string& server, const Login& login) const;
  void erase(const std::string& server) const;

 private:
  /// What it writes; throws with "error `doing` credentials" in front unless it exits with 0.
  std::string run(const std::string& action, const std::string& input, const std::string& doing) const;

  std::string program_;
};

}  // namespace berth::cli
