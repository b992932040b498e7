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
  std::uint64_t resume() override { return inner_->resume(); }
  void finish(const std::string& digest) override { inner_->finish(digest); }

 private:
  std::unique_ptr<registry::Repository::Upload> inner_;
};

}  // namespace

RegistryRemote::RegistryRemote(const registry::Policy& policy, const oci::Reference& reference,
                               const AuthConfig& credentials, registry::Access access)
    : policy_(policy),
      reference_(reference),
      credentials_(credentials),
      repository_(policy, reference.domain, reference.path,
                  {.username = credentials.username,
                   .password = credentials.password,
                   .identity_token = credentials.identity_token},
                  access) {
  if (access == registry::Access::push) return;
  for (const registry::Mirror& mirror : policy_.mirrors) {
    if (mirror.upstream != reference.domain) continue;
    // What logs in at the registry is no business of a mirror.
    mirrors_.push_back(std::make_unique<registry::Repository>(
        policy_, mirror.address, reference.path, registry::Credentials{}, access, registry::Patience::short_));
  }
}

/// A blob from the first that has it: mirrors, the registry, the addresses of a foreign layer. Who fails on the way is
/// followed by the next, from the byte on that is wanted then.
class RegistryRemote::BlobSource final : public ByteSource {
 public:
  BlobSource(RegistryRemote& owner, const oci::Descriptor& blob, bool with_mirrors)
      : owner_(owner), blob_(blob), at_mirror_(with_mirrors ? 0 : owner.mirrors_.size()) {}

  std::size_t read(char* buffer, std::size_t size) override {
    for (;;) {
      try {
        if (!current_) current_ = open();
        const std::size_t got = current_->read(buffer, size);
        at_ += got;
        return got;
      } catch (const Error& error) {
        if (error.kind() == ErrorKind::cancelled || !go_on()) throw;
        current_.reset();
      }
    }
  }

 private:
  std::size_t registry() const { return owner_.mirrors_.size(); }

  std::unique_ptr<ByteSource> open() {
    const auto size = static_cast<std::uint64_t>(blob_.size);
    if (at_mirror_ < registry()) return owner_.mirrors_[at_mirror_]->open_blob(blob_.digest, size, at_);
    if (at_mirror_ == registry()) return owner_.repository_.open_blob(blob_.digest, size, at_);
    return owner_.repository_.open_address(blob_.urls[at_mirror_ - registry() - 1], size);
  }

  bool go_on() {
    if (at_mirror_ >= registry()) {
      const bool foreign = oci::is_foreign_layer(blob_.media_type) && at_ == 0;
      if (!foreign || at_mirror_ - registry() >= blob_.urls.size()) return false;
    }
    ++at_mirror_;
    return true;
  }

  RegistryRemote& owner_;
  const oci::Descriptor blob_;
  std::size_t at_mirror_;  ///< behind the mirrors comes the registry, and then the addresses
  std::uint64_t at_ = 0;
  std::unique_ptr<ByteSource> current_;
};

registry::ManifestDocument RegistryRemote::find_document(const std::string& tag_or_digest) {
  for (const auto& mirror : mirrors_) {
    try {
      return mirror->get_manifest(tag_or_digest);
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::cancelled) throw;
    }
  }
  return repository_.get_manifest(tag_or_digest);
}

image::RemoteManifest RegistryRemote::get_manifest(const std::string& tag_or_digest) {
  try {
    registry::ManifestDocument document = find_document(tag_or_digest);
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
  const std::lock_guard lock{mutex_};
  return std::make_unique<BlobSource>(*this, blob, !distrusted_.contains(blob.digest));
}

bool RegistryRemote::distrust_blob(const std::string& digest) {
  const std::lock_guard lock{mutex_};
  return !mirrors_.empty() && distrusted_.insert(digest).second;
}

image::Remote& RegistryRemote::source(const oci::Reference& repository) {
  const std::lock_guard lock{mutex_};
  std::unique_ptr<RegistryRemote>& source = sources_[repository.name()];
  if (!source) {
    const bool same = repository.domain == reference_.domain;
    source = std::make_unique<RegistryRemote>(policy_, repository, same ? credentials_ : AuthConfig{},
                                              registry::Access::pull);
    if (interrupted_) source->interrupt();
  }
  return *source;
}

bool RegistryRemote::is_interrupted() {
  const std::lock_guard lock{mutex_};
  return interrupted_;
}

void RegistryRemote::interrupt() {
  repository_.interrupt();
  for (const auto& mirror : mirrors_) mirror->interrupt();
  const std::lock_guard lock{mutex_};
  interrupted_ = true;
  for (const auto& [name, source] : sources_) source->interrupt();
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
