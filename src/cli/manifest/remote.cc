#include "cli/manifest/remote.h"

#include "archive/digest.h"
#include "base/core/text.h"
#include "oci/digest.h"
#include "oci/image.h"

namespace berth::cli {

namespace {

constexpr std::int64_t kConfigLimit = 16 << 20;

struct Entry {
  std::string digest;
  ManifestPlatform platform;
  static void describe(auto& self, auto&& field) {
    field("digest", self.digest);
    field("platform", self.platform);
  }
};

struct Entries {
  std::vector<Entry> manifests;
  static void describe(auto& self, auto&& field) { field("manifests", self.manifests); }
};

Error not_there(const oci::Reference& reference) { return not_found(cat("no such manifest: ", reference.full())); }

/// A name with tag and digest is asked for by its tag, and must then be what the digest says.
const std::string& wanted(const oci::Reference& reference) {
  return reference.tag.empty() ? reference.digest : reference.tag;
}

registry::Policy policy_for(const std::string& domain, Insecure insecure) {
  registry::Policy policy{.insecure = {},
                          .certificate_folders = registry::default_certificate_folders(),
                          .mirrors = {},
                          .proxies = registry::proxies_of_environment(),
                          .neighbours = {}};
  if (insecure == Insecure::allowed) policy.insecure.push_back(domain);
  return policy;
}

}  // namespace

Remote::Remote(const GlobalOptions& options, Insecure insecure, registry::Access access)
    : logins_(options), insecure_(insecure), access_(access) {}

/// The registry has answered when this returns, and may be spoken to.
registry::Repository& Remote::repository(const oci::Reference& reference) {
  auto& known = repositories_[reference.name()];
  if (known) return *known;
  registry::Credentials credentials;
  if (const std::optional<Login> login = logins_.login_of(reference.domain)) {
    credentials = {.username = login->username, .password = login->password, .identity_token = login->identity_token};
  }
  auto repository = std::make_unique<registry::Repository>(policy_for(reference.domain, insecure_), reference.domain,
                                                           reference.path, std::move(credentials), access_);
  bool encrypted = false;
  try {
    encrypted = repository->ping();
  } catch (Error& error) {
    const bool speaks_plain = error.text().find("server gave HTTP response to HTTPS client") != std::string::npos;
    if (speaks_plain && access_ == registry::Access::pull) throw not_there(reference);
    error.during("failed to configure transport: error pinging v2 registry");
    throw;
  }
  // One on this machine may be pushed to in the clear; to read from it, docker's client wants to be told so.
  if (!encrypted && insecure_ == Insecure::no && access_ == registry::Access::pull) throw not_there(reference);
  known = std::move(repository);
  return *known;
}

ManifestText Remote::get(const oci::Reference& reference) {
  try {
    registry::ManifestDocument document = repository(reference).get_manifest(wanted(reference));
    ManifestText text{.media_type = std::move(document.media_type), .text = std::move(document.text)};
    text.check();
    if (!reference.digest.empty() && archive::sha256(text.text) != reference.digest) {
      throw invalid(cat("manifest verification failed for digest ", reference.digest));
    }
    return text;
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::not_found) throw not_there(reference);
    throw;
  }
}

/// The image's config, of which a list takes the platform.
std::string Remote::config_of(registry::Repository& repository, const std::string& manifest) {
  const oci::Descriptor config = json::from_json<oci::Manifest>(manifest).config;
  if (!oci::is_digest(config.digest)) throw invalid("invalid checksum digest format");
  if (config.size < 0 || config.size > kConfigLimit)
    throw invalid(cat("image config ", config.digest, " is too large"));
  std::string text(static_cast<std::size_t>(config.size), '\0');
  const std::unique_ptr<ByteSource> blob = repository.open_blob(config.digest, text.size());
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t got = blob->read(text.data() + at, text.size() - at);
    if (got == 0) break;  // then the digest is another
    at += got;
  }
  if (archive::sha256(text) != config.digest) {
    throw invalid(cat("image config verification failed for digest ", config.digest));
  }
  return text;
}

ImageManifest Remote::image_of(const oci::Reference& reference, const ManifestText& text) {
  if (text.is_list()) throw invalid(cat(reference.full(), " is a manifest list"));
  return {.ref = reference,
          .media_type = text.media_type,
          .digest = archive::sha256(text.text),
          .size = static_cast<std::int64_t>(text.text.size()),
          .platform = json::from_json<ManifestPlatform>(config_of(repository(reference), text.text)),
          .document = text.text,
          .raw = text.text};
}

std::vector<ImageManifest> Remote::images_of(const oci::Reference& reference, const ManifestText& text) {
  std::vector<ImageManifest> images;
  for (Entry& entry : json::from_json<Entries>(text.text).manifests) {
    if (!oci::is_digest(entry.digest)) throw invalid("invalid checksum digest format");
    oci::Reference member = reference, by_digest = reference;
    member.digest = by_digest.digest = entry.digest;
    by_digest.tag.clear();  // that is the list's
    const ManifestText found = get(by_digest);
    if (found.is_list()) throw invalid(cat("unsupported manifest type: ", found.media_type));
    images.push_back(image_of(member, found));
    images.back().platform = std::move(entry.platform);
  }
  return images;
}

bool Remote::mount(const oci::Reference& source, const oci::Reference& target) {
  try {
    registry::Repository& registry = repository(target);
    // A registry that says no to this may have the blob all the same, or say why it would not.
    return registry.mount_blob(source.digest, source.path) || registry.has_blob(source.digest);
  } catch (Error& error) {
    error.during(cat("failed to mount blob ", source.path, "@", source.digest, " to ", target.full()));
    throw;
  }
}

std::string Remote::put(const oci::Reference& reference, const ManifestText& text) {
  registry::Repository& registry = repository(reference);
  try {
    const std::string digest = archive::sha256(text.text);
    const std::string known =
        registry.put_manifest(reference.tag.empty() ? digest : reference.tag, text.media_type, text.text);
    return known.empty() ? digest : known;
  } catch (Error& error) {
    error.during(cat("failed to put manifest ", reference.full()));
    throw;
  }
}

}  // namespace berth::cli
