#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cli/cli.h"
#include "cli/login_file.h"
#include "cli/manifest/image_manifest.h"
#include "registry/client/repository.h"

namespace berth::cli {

enum class Insecure { no, allowed };

/// Registries, asked by this program itself with the logins of config.json, the proxies of the environment and the
/// certificates of certs.d. All errors are in the words of docker's client.
class Remote {
 public:
  Remote(const GlobalOptions& options, Insecure insecure, registry::Access access);

  /// What a name stands for, of a kind that is known here. Throws not_found "no such manifest: …".
  ManifestText get(const oci::Reference& reference);
  /// The image whose manifest `text` is.
  ImageManifest image_of(const oci::Reference& reference, const ManifestText& text);
  /// All images of the list `text`, in its order and for the platforms that it names.
  std::vector<ImageManifest> images_of(const oci::Reference& reference, const ManifestText& text);

  /// Takes a blob over from another repository of the same registry. False when the registry would not.
  bool mount(const oci::Reference& source, const oci::Reference& target);
  /// Returns the digest that the registry knows it by.
  std::string put(const oci::Reference& reference, const ManifestText& text);

 private:
  registry::Repository& repository(const oci::Reference& reference);
  std::string config_of(registry::Repository& repository, const std::string& manifest);

  LoginFile logins_;
  const Insecure insecure_;
  const registry::Access access_;
  std::map<std::string, std::unique_ptr<registry::Repository>> repositories_;  ///< by name
};

}  // namespace berth::cli
