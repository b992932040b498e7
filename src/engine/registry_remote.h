#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "engine/registry.h"
#include "image/remote.h"
#include "oci/reference.h"
#include "registry/client/repository.h"

namespace berth::engine {

/// image::Remote over a repository of a registry and of its mirrors; failures in the words of dockerd.
class RegistryRemote final : public image::Remote {
 public:
  RegistryRemote(const registry::Policy& policy, const oci::Reference& reference, const AuthConfig& credentials,
                 registry::Access access);

  image::RemoteManifest get_manifest(const std::string& tag_or_digest) override;
  std::unique_ptr<ByteSource> open_blob(const oci::Descriptor& blob) override;
  bool distrust_blob(const std::string& digest) override;
  bool has_manifest(const std::string& digest) override { return repository_.find_manifest(digest).has_value(); }
  Remote& source(const oci::Reference& repository) override;
  bool has_blob(const std::string& digest) override;
  bool mount_blob(const std::string& digest, const std::string& from) override;
  std::unique_ptr<Upload> begin_blob() override;
  void put_manifest(const std::string& tag_or_digest, const std::string& media_type, const std::string& text) override;
  void interrupt() override;
  bool is_interrupted() override;

  std::vector<std::string> list_tags();

 private:
  const registry::Policy policy_;
  const oci::Reference reference_;
  const AuthConfig credentials_;
  class BlobSource;
  registry::ManifestDocument find_document(const std::string& tag_or_digest);

  registry::Repository repository_;
  std::vector<std::unique_ptr<registry::Repository>> mirrors_;  ///< asked first, in their order
  std::mutex mutex_;
  bool interrupted_ = false;
  std::set<std::string> distrusted_;                                ///< blobs that no mirror is asked for any more
  std::map<std::string, std::unique_ptr<RegistryRemote>> sources_;  ///< by name
};

}  // namespace berth::engine
