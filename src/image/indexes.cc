#include "image/indexes.h"

#include "base/core/error.h"
#include "image/documents.h"

namespace berth::image {

namespace {

oci::Descriptor described(const std::string& digest, const std::string& text, const std::string& type) {
  return {.media_type = type, .digest = digest, .size = static_cast<std::int64_t>(text.size())};
}

}  // namespace

/// What is within `text`, also by other indexes, each of which is looked into once.
void Indexes::add_members(Index& index, const std::string& text, int depth, std::set<std::string>& seen) const {
  for (const oci::Descriptor& entry : parse_index(text).manifests) {
    Member member{.manifest = entry, .image_id = {}};
    try {
      if (content_.has(entry.digest)) {
        const std::string inner = content_.get(entry.digest), type = type_of(inner, entry.media_type);
        if (is_index(type) && depth < kMaxIndexDepth) {
          if (!seen.insert(entry.digest).second) continue;
          add_members(index, inner, depth + 1, seen);
          index.inner.push_back(described(entry.digest, inner, type));
          continue;
        }
        member.image_id = json::from_json<oci::Manifest>(inner).config.digest;
      }
    } catch (const Error&) {
      // Damaged: not here.
    }
    index.members.push_back(std::move(member));
  }
}

std::shared_ptr<const Indexes::Index> Indexes::read(const std::string& digest) const {
  const std::string text = content_.get(digest);
  auto index = std::make_shared<Index>();
  index->descriptor = described(digest, text, type_of(text, oci::kMediaIndex));
  std::set<std::string> seen;
  add_members(*index, text, 0, seen);
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
    for (const oci::Descriptor& inner : index->inner) digests.insert(inner.digest);
  }
  return digests;
}

void Indexes::forget(const std::string& digest) const {
  const std::lock_guard lock{mutex_};
  known_.erase(digest);
}

}  // namespace berth::image
