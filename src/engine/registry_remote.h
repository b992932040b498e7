#pragma once

#include "engine/registry.h"
#include "image/remote.h"
#include "oci/reference.h"
#include "registry/client/repository.h"

namespace berth::engine {

/// image::Remote over a repository of a registry; failures in the words of dockerd.
class RegistryRemote final : public image::Remote {
 public:
  RegistryRemote(const registry::Policy& policy, const oci::Reference& reference, const AuthConfig& credentials,
                 registry::Access access);

  image::RemoteManifest get_manifest(const std::string& tag_or_digest) override;
  std::unique_ptr<ByteSource> open_blob(const oci::Descriptor& blob) override;
  bool has_blob(const std::string& digest) override;
  bool mount_blob(const std::string& digest, const std::string& from) override;
  std::unique_ptr<Upload> begin_blob() override;
  void put_manifest(const std::string& tag_or_digest, const std::string& media_type, const std::string& text) override;
  void interrupt() override { repository_.interrupt(); }

  std::vector<std::string> list_tags();

 private:
  oci::Reference reference_;
  registry::Repository repository_;
};

}  // namespace berth::engine
