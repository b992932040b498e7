#pragma once

#include <boost/json/value.hpp>
#include <string>

#include "cli/cli.h"

namespace berth::cli {

/// The name under which docker's config.json has the login of Docker Hub.
inline constexpr std::string_view kHubLogin = "https://index.docker.io/v1/";

/// The stock client's config.json: other programs keep theirs in it, so what is not known here stays as it is.
class LoginFile {
 public:
  /// Throws invalid when the file is there and is no JSON object.
  explicit LoginFile(const GlobalOptions& options);

  const std::string& path() const { return path_; }
  boost::json::object& logins();
  void save() const;
  /// Where passwords belong into a keychain, a file must not get them: throws not_implemented then.
  void refuse_helpers() const;
  /// Value of the X-Registry-Auth header for a registry ("docker.io", "localhost:5000"): base64url of what is known of
  /// it, of "{}" when that is nothing. Spec: Engine API, "Authentication".
  std::string registry_auth(const std::string& domain) const;

 private:
  std::string path_;
  boost::json::value content_ = boost::json::object{};
};

/// The registry of an image's name as users write it: "docker.io" for "busybox".
std::string registry_of(const std::string& image);

}  // namespace berth::cli
