#include "image/resolve.h"

#include <map>

#include "archive/digest.h"
#include "base/core/error.h"
#include "base/core/text.h"
#include "image/documents.h"
#include "image/platform.h"
#include "oci/digest.h"

namespace berth::image {

namespace {

constexpr std::size_t kMaxIndexes = 32;
constexpr std::string_view kMediaDockerConfig = "application/vnd.docker.container.image.v1+json";

class Resolver {
 public:
  Resolver(Remote& remote, const oci::Reference& wanted, const oci::Platform& platform)
      : remote_(remote), wanted_(wanted), platform_(platform) {}

  ResolvedManifest run() {
    Document document = get_verified(wanted_.digest.empty() ? wanted_.tag : wanted_.digest);
    resolved_.digest = document.digest;
    if (is_index(document.type)) {
      std::optional<Document> found = find_in(document, 0);
      if (!found) {
        throw not_found(cat("no matching manifest for ", platform_text(platform_), " in the manifest list entries"));
      }
      complete(document.digest, 0);
      document = std::move(*found);
    }
    check_kind(document);
    resolved_.manifest = parse_manifest(document.text);
    resolved_.manifest_text = std::move(document.text);
    check_config();
    return std::move(resolved_);
  }

 private:
  struct Document {
    std::string digest, type, text;
  };
  using Entries = std::vector<oci::Descriptor>;

  Document get_verified(const std::string& tag_or_digest) {
    RemoteManifest document = remote_.get_manifest(tag_or_digest);
    const std::string actual = archive::sha256(document.text);
    const std::string& promised = oci::is_digest(tag_or_digest) ? tag_or_digest : document.digest;
    if (!promised.empty() && promised != actual) {
      throw system_error(cat("manifest verification failed for digest ", promised));
    }
    std::string type = type_of(document.text, document.media_type);
    return {.digest = actual, .type = std::move(type), .text = std::move(document.text)};
  }

  Document get_described(const oci::Descriptor& descriptor) {
    Document document = get_verified(descriptor.digest);
    check_size(descriptor, document.text);
    return document;
  }

  /// The entries of an index, which is looked into once however many others name it.
  const Entries& open(const Document& document, int depth) {
    if (depth == kMaxIndexDepth) throw invalid("the image's indexes are nested too deeply");
    const auto known = opened_.find(document.digest);
    if (known != opened_.end()) return known->second;
    if (opened_.size() == kMaxIndexes) throw invalid("the image's index leads to too many others");
    Entries entries = parse_index(document.text).manifests;
    if ((entries_ += entries.size()) > kMaxListEntries) throw invalid("the image's indexes have too many entries");
    resolved_.index_texts.push_back(document.text);
    return opened_.emplace(document.digest, std::move(entries)).first->second;
  }

  /// The manifest for the platform, depth first: indexes within an index mostly don't say for whom they are.
  std::optional<Document> find_in(const Document& index, int depth) {
    Entries manifests, inner;
    for (const oci::Descriptor& one : open(index, depth)) (is_index(one.media_type) ? inner : manifests).push_back(one);
    if (const oci::Descriptor* chosen = choose_platform(manifests, platform_)) {
      Document found = get_described(*chosen);
      if (!is_index(found.type)) return found;
      return find_in(found, depth + 1);
    }
    for (const oci::Descriptor& one : inner) {
      if (choose_platform({one}, platform_) == nullptr || opened_.contains(one.digest)) continue;
      if (auto found = find_in(get_described(one), depth + 1)) return found;
    }
    return std::nullopt;
  }

  /// Indexes for others are kept, too, so that a push can send all that the name stands for. A registry may lack some,
  /// as it may lack manifests.
  void complete(const std::string& index, int depth) {
    const Entries entries = opened_.at(index);
    for (const oci::Descriptor& one : entries) {
      if (!is_index(one.media_type) || opened_.contains(one.digest)) continue;
      try {
        const Document document = get_described(one);
        if (!is_index(document.type)) continue;
        open(document, depth + 1);
      } catch (const Error& error) {
        if (error.kind() != ErrorKind::not_found) throw;
        continue;
      }
      complete(one.digest, depth + 1);
    }
  }

  void check_kind(const Document& document) const {
    if (is_schema1(document.type)) {
      throw invalid(cat(wanted_.familiar(),
                        " is in Docker's image manifest version 2, schema 1, which has been given up: ask for an image "
                        "in the OCI format or schema 2, or push it anew with a current Docker"));
    }
    const auto parsed = parse_document(document.text);
    const bool known =
        is_manifest(document.type) && json::detail::find_member(parsed.get_object(), "config") != nullptr;
    if (!known) throw invalid(cat("unsupported manifest media type: ", quoted(document.type)));
  }

  void check_config() const {
    const std::string& config = resolved_.manifest.config.media_type;
    if (config == oci::kMediaConfig || config == kMediaDockerConfig) return;
    throw invalid(cat("Encountered remote ", quoted(config), " when fetching ", wanted_.familiar(),
                      ": it is an artifact, not a container image"));
  }

  Remote& remote_;
  const oci::Reference& wanted_;
  const oci::Platform& platform_;
  ResolvedManifest resolved_;
  std::map<std::string, Entries> opened_;  ///< the indexes looked into, by digest
  std::size_t entries_ = 0;
};

}  // namespace

ResolvedManifest resolve_manifest(Remote& remote, const oci::Reference& wanted, const oci::Platform& platform) {
  return Resolver{remote, wanted, platform}.run();
}

}  // namespace berth::image
