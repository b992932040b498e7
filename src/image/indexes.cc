#include "image/indexes.h"

#include "base/core/error.h"

namespace berth::image {

std::shared_ptr<const Indexes::Index> Indexes::read(const std::string& digest) const {
  const std::string text = content_.get(digest);
  const auto document = json::from_json<oci::Index>(text);
  auto index = std::make_shared<Index>();
  index->descriptor = {.media_type = document.media_type.empty() ? std::string{oci::kMediaIndex} : document.media_type,
                       .digest = digest,
                       .size = static_cast<std::int64_t>(text.size())};
  for (const oci::Descriptor& manifest : document.manifests) {
    Member& member = index->members.emplace_back(Member{.manifest = manifest, .image_id = {}});
    if (!content_.has(manifest.digest)) continue;
    try {
      member.image_id = json::from_json<oci::Manifest>(content_.get(manifest.digest)).config.digest;
    } catch (const Error&) {
      // Damaged: not here.
    }
  }
  return index;
}

std::shared_ptr<const Indexes::Index> Indexes::find(const std::string& digest) const {
  const std::lock_guard lock{mutex_};
  const auto known = known_.find(digest);
  if (known != known_.end()) return known->second;
  try {
    return known_.emplace(digest, read(digest)).first->second;
  } catch (const Error&) {
    return nullptr;
  }
}

std::vector<std::shared_ptr<const Indexes::Index>> Indexes::all() const {
  std::set<std::string> digests;
  for (const auto& [name, digest] : catalog_.indexes()) digests.insert(digest);
  std::vector<std::shared_ptr<const Index>> indexes;
  for (const std::string& digest : digests) {
    if (auto index = find(digest)) indexes.push_back(std::move(index));
  }
  return indexes;
}

std::set<std::string> Indexes::images() const {
  std::set<std::string> ids;
  for (const auto& index : all()) {
    for (const Member& member : index->members) {
      if (!member.image_id.empty()) ids.insert(member.image_id);
    }
  }
  return ids;
}

std::set<std::string> Indexes::documents() const {
  std::set<std::string> digests;
  for (const auto& [name, digest] : catalog_.indexes()) digests.insert(digest);
  for (const auto& index : all()) {
    for (const Member& member : index->members) digests.insert(member.manifest.digest);
  }
  return digests;
}

void Indexes::forget(const std::string& digest) const {
  const std::lock_guard lock{mutex_};
  known_.erase(digest);
}

}  // namespace berth::image
