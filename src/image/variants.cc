#include <algorithm>

#include "base/core/error.h"
#include "base/core/text.h"
#include "image/platform.h"
#include "image/store.h"

/// The platforms of one name.
namespace berth::image {

namespace {

constexpr std::string_view kAttestationKind = "vnd.docker.reference.type",
                           kAttestationTarget = "vnd.docker.reference.digest";

/// The same as a client writes it.
std::string short_text(const ImageRecord& image) { return cat(image.os, "/", image.architecture); }

}  // namespace

oci::Platform platform_of(const ImageRecord& image) {
  return {.architecture = image.architecture, .os = image.os, .os_version = {}, .variant = image.variant};
}

std::shared_ptr<const Indexes::Index> Store::index_of(const std::string& name) const {
  const auto reference = oci::try_parse_reference(name);
  if (!reference) return nullptr;
  auto digest = catalog_.find_index(reference->with_default_tag().full());
  if (!digest && !reference->digest.empty()) {
    oci::Reference by_digest = *reference;
    by_digest.tag.clear();
    digest = catalog_.find_index(by_digest.full());
  }
  return digest ? indexes_.find(*digest) : nullptr;
}

ImagePtr Store::variant_in(const Indexes::Index& index, const oci::Platform& platform) const {
  std::vector<oci::Descriptor> here;
  std::vector<ImagePtr> images;
  for (const Indexes::Member& member : index.members) {
    ImagePtr image = member.image_id.empty() ? nullptr : catalog_.find_image(member.image_id);
    if (image == nullptr) continue;
    here.push_back(member.manifest);
    if (!here.back().platform) here.back().platform = platform_of(*image);
    images.push_back(std::move(image));
  }
  const oci::Descriptor* chosen = choose_platform(here, platform);
  return chosen == nullptr ? nullptr : images[static_cast<std::size_t>(chosen - here.data())];
}

ImagePtr Store::get_variant(const std::string& name, const std::string& platform) const {
  ImagePtr image = get_record(name);
  if (platform.empty()) return image;
  const oci::Platform wanted = parse_platform(platform);
  if (const auto index = index_of(name)) {
    if (ImagePtr variant = variant_in(*index, wanted)) return variant;
    throw not_found(cat("image with reference ", name, " was found but does not provide the specified platform (",
                        platform_text(wanted), ")"));
  }
  oci::Descriptor own;
  own.platform = platform_of(*image);
  if (choose_platform({own}, wanted) != nullptr) return image;
  throw not_found(cat("image with reference ", name, " was found but its platform (", short_text(*image),
                      ") does not match the specified platform (", platform_text(wanted), ")"));
}

std::optional<ResolvedImage> Store::find_variant(const std::string& name, const std::string& platform) {
  const auto index = index_of(name);
  if (index == nullptr) return std::nullopt;
  const ImagePtr image = variant_in(*index, parse_platform(platform));
  if (image == nullptr) return std::nullopt;
  return resolve(*image);
}

IndexView Store::describe_index(const std::string& name) {
  const ImagePtr image = get_record(name);
  auto index = index_of(name);
  if (index == nullptr) {
    auto alone = std::make_shared<Indexes::Index>();
    {
      const std::lock_guard lock{changes_};
      if (const oci::Descriptor* manifest = describe_manifest(image->manifest_digest)) alone->descriptor = *manifest;
    }
    alone->members.push_back({.manifest = alone->descriptor, .image_id = image->id});
    index = alone;
  }
  const std::vector<ContainerUse> uses = options_.find_uses ? options_.find_uses() : std::vector<ContainerUse>{};
  IndexView view{.descriptor = index->descriptor, .manifests = {}};
  for (const Indexes::Member& member : index->members) {
    ManifestSummary& summary = view.manifests.emplace_back();
    summary.id = member.manifest.digest;
    summary.descriptor = member.manifest;
    const auto& notes = member.manifest.annotations;
    if (const auto kind = notes.find(std::string{kAttestationKind}); kind != notes.end()) {
      summary.kind = "attestation";
      const auto target = notes.find(std::string{kAttestationTarget});
      summary.attestation_data.emplace().target = target == notes.end() ? "" : target->second;
      continue;
    }
    ManifestImageData& data = summary.image_data.emplace();
    if (member.manifest.platform) data.platform = *member.manifest.platform;
    const ImagePtr variant = member.image_id.empty() ? nullptr : catalog_.find_image(member.image_id);
    if (variant == nullptr) continue;
    summary.available = std::ranges::all_of(variant->chain_ids, [&](const auto& id) { return driver_.has_layer(id); });
    if (!member.manifest.platform) data.platform = platform_of(*variant);
    const Sizes sizes = sizes_of(*variant);
    data.size.unpacked = sizes.files;
    summary.size.content = sizes.blobs;
    summary.size.total = sizes.files + sizes.blobs;
    for (const ContainerUse& use : uses) {
      if (use.image_id == variant->id) data.containers.push_back(use.container_id);
    }
  }
  return view;
}

}  // namespace berth::image
