#pragma once

#include <boost/json/value.hpp>
#include <optional>
#include <string>

#include "cli/cli.h"
#include "cli/credential_helper.h"

namespace berth::cli {

/// The name under which docker's config.json has the login of Docker Hub.
inline constexpr std::string_view kHubLogin = "https://index.docker.io/v1/";

/// The stock client's config.json, and the keychains that it names (credsStore, credHelpers): other programs keep
/// theirs in it, so what is not known here stays as it is.
class LoginFile {
 public:
  /// Throws invalid when the file is there and is no JSON object.
  explicit LoginFile(const GlobalOptions& options);

  const std::string& path() const { return path_; }
  /// Keeps a login, durably. True when that put a password into the file itself, for everybody to read who can.
  bool store(const std::string& server, const Login& login);
  void erase(const std::string& server);
  /// What is known of a registry ("docker.io", "localhost:5000").
  std::optional<Login> login_of(const std::string& domain) const;
  /// Value of the X-Registry-Auth header for a registry ("docker.io", "localhost:5000"): base64url of what is known of
  /// it, of "{}" when that is nothing. Spec: Engine API, "Authentication".
  std::string registry_auth(const std::string& domain) const;

 private:
  std::optional<CredentialHelper> helper_for(const std::string& server) const;
  std::optional<Login> find(const std::string& domain, const std::string& key) const;
  boost::json::object& logins();
  void save() const;

  std::string path_;
  boost::json::value content_ = boost::json::object{};
};

/// "host:port" for "https://host:port/v1/" and for "host:port/x".
std::string host_of_login(std::string_view server);

/// Where docker's client keeps its files.
std::string config_folder(const GlobalOptions& options);

/// The registry of an image's name as users write it: "docker.io" for "busybox".
std::string registry_of(const std::string& image);

}  // namespace berth::cli
