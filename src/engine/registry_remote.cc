#include "engine/registry_remote.h"

#include "base/core/error.h"
#include "base/core/text.h"
#include "oci/digest.h"

namespace berth::engine {

namespace {

/// What dockerd makes of a registry's refusal. Spec: clients match on "pull access denied" and "manifest for".
Error translated(const Error& error, const oci::Reference& reference) {
  const std::string& text = error.text();
  if (text.starts_with("manifest unknown")) {
    return not_found(cat("manifest for ", reference.familiar(), " not found: ", text));
  }
  if (text.starts_with("name unknown")) {
    return not_found(cat("repository ", reference.familiar_name(), " not found: ", text));
  }
  if (text.starts_with("denied")) {
    return not_found(cat("pull access denied for ", reference.familiar_name(),
                         ", repository does not exist or may require 'docker login': ", text));
  }
  if (error.kind() == ErrorKind::unauthorized || error.kind() == ErrorKind::unavailable) {
    return {ErrorKind::system, text, error.error_number()};  // the request to Berth was all right
  }
  return error;
}

class RemoteUpload final : public image::Remote::Upload {
 public:
  explicit RemoteUpload(std::unique_ptr<registry::Repository::Upload> inner) : inner_(std::move(inner)) {}
  void write(std::string_view bytes) override { inner_->write(bytes); }
  void finish(const std::string& digest) override { inner_->finish(digest); }

 private:
  std::unique_ptr<registry::Repository::Upload> inner_;
};

}  // namespace

RegistryRemote::RegistryRemote(const registry::Policy& policy, const oci::Reference& reference,
                               const AuthConfig& credentials, registry::Access access)
    : reference_(reference),
      repository_(policy, reference.domain, reference.path,
                  {.username = credentials.username,
                   .password = credentials.password,
                   .identity_token = credentials.identity_token},
                  access) {}

image::RemoteManifest RegistryRemote::get_manifest(const std::string& tag_or_digest) {
  try {
    registry::ManifestDocument document = repository_.get_manifest(tag_or_digest);
    return {.media_type = std::move(document.media_type),
            .text = std::move(document.text),
            .digest = std::move(document.digest)};
  } catch (const Error& error) {
    oci::Reference asked = reference_;
    (oci::is_digest(tag_or_digest) ? asked.digest : asked.tag) = tag_or_digest;
    throw translated(error, asked);
  }
}

std::unique_ptr<ByteSource> RegistryRemote::open_blob(const oci::Descriptor& blob) {
  return repository_.open_blob(blob.digest, static_cast<std::uint64_t>(blob.size));
}

bool RegistryRemote::has_blob(const std::string& digest) { return repository_.has_blob(digest); }

bool RegistryRemote::mount_blob(const std::string& digest, const std::string& from) {
  return repository_.mount_blob(digest, from);
}

std::unique_ptr<image::Remote::Upload> RegistryRemote::begin_blob() {
  return std::make_unique<RemoteUpload>(repository_.begin_blob());
}

void RegistryRemote::put_manifest(const std::string& tag_or_digest, const std::string& media_type,
                                  const std::string& text) {
  repository_.put_manifest(tag_or_digest, media_type, text);
}

std::vector<std::string> RegistryRemote::list_tags() {
  try {
    return repository_.list_tags();
  } catch (const Error& error) {
    throw translated(error, reference_);
  }
}

}  // namespace berth::engine
