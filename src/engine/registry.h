#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/async/task.h"
#include "base/core/stream.h"
#include "engine/filters.h"
#include "engine/images.h"
#include "oci/image.h"
#include "registry/client/search.h"

namespace berth::engine {

/// Spec: docker-engine-api-v1.51.yaml, AuthConfig.
struct AuthConfig {
  static constexpr std::string_view kGoName = "AuthConfig";
  std::string username, password, server_address, identity_token;
  static void describe(auto& self, auto&& field) {
    field("username", self.username);
    field("password", self.password);
    field("serveraddress", self.server_address);
    field("identitytoken", self.identity_token);
  }
};

/// Spec: docker-engine-api-v1.51.yaml, SystemAuth.
struct AuthResult {
  std::string identity_token;  ///< what the registry gave in place of the password, or ""
  std::string status;          ///< "Login Succeeded"
  static void describe(auto& self, auto&& field) {
    field("IdentityToken", self.identity_token);
    field("Status", self.status);
  }
};

/// What a name stands for in its registry. Spec: docker-engine-api-v1.51.yaml, DistributionInspect.
struct DistributionInspect {
  oci::Descriptor descriptor;
  std::vector<oci::Platform> platforms;
  static void describe(auto& self, auto&& field) {
    field("Descriptor", self.descriptor);
    field("Platforms", self.platforms);
  }
};

struct PullQuery {
  std::string name;      ///< as the client wrote it
  std::string tag;       ///< a tag or a digest; "" with a name that has neither: all tags
  std::string platform;  ///< "": this machine's
  AuthConfig credentials;
};

struct PushQuery {
  std::string name, tag;       ///< tag "": all tags of the repository
  std::string platform;        ///< "linux/arm64": that variant alone
  std::string compression;     ///< "gzip" or ""; "zstd"
  bool all_platforms = false;  ///< also variants that are not here, from where the image came from
  AuthConfig credentials;
};

using SearchResult = registry::SearchResult;

struct SearchQuery {
  std::string term;  ///< as the client wrote it, perhaps with a registry in front
  int limit = 25;
  Filters filters;  ///< is-automated, is-official, stars
  AuthConfig credentials;
};

/// How many layers of an image move at a time.
struct TransferLimits {
  unsigned downloads = 3, uploads = 5;
};

/// What the daemon asks of registries, and of other servers in the web.
class Registry {
 public:
  virtual ~Registry() = default;
  /// Throws unauthorized when the registry says no, invalid for what is no address, system when it can't be asked.
  virtual Task<AuthResult> authenticate(AuthConfig credentials) = 0;
  /// Docker's progress messages, one JSON object a line, go to `progress`, which is used on other threads until the
  /// task ends. Throws Docker's texts: "manifest for x:y not found: manifest unknown: …".
  virtual Task<void> pull(std::shared_ptr<ByteSink> progress, PullQuery query) = 0;
  virtual Task<void> push(std::shared_ptr<ByteSink> progress, PushQuery query) = 0;
  /// `docker import http://…`: the archive comes from `address`, whoever serves it. Throws dockerd's texts.
  virtual Task<void> import(std::shared_ptr<ByteSink> progress, std::string address, ImportRequest request) = 0;
  virtual Task<DistributionInspect> distribution(std::string name, AuthConfig credentials) = 0;
  virtual Task<std::vector<SearchResult>> search(SearchQuery query) = 0;
};

}  // namespace berth::engine
