#include "engine/container_registry.h"

#include <algorithm>

#include "base/core/error.h"
#include "base/core/text.h"
#include "engine/random_name.h"

namespace berth::engine {

void check_container_name(std::string_view name) {
  const auto is_word = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  const bool good = name.size() >= 2 && is_word(name.front()) &&
                    std::ranges::all_of(name, [&](char c) { return is_word(c) || c == '_' || c == '.' || c == '-'; });
  if (!good) throw invalid(cat("Invalid container name (", name, "), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"));
}

ContainerPtr ContainerRegistry::find(std::string_view name_or_id) const {
  if (const auto found = by_id_.find(name_or_id); found != by_id_.end()) return found->second;
  std::string_view name = name_or_id;
  if (name.starts_with('/')) name.remove_prefix(1);
  if (const auto named = id_of_name_.find(name); named != id_of_name_.end()) {
    const auto found = by_id_.find(named->second);
    return found == by_id_.end() ? nullptr : found->second;  // reserved, but not there yet
  }
  if (name_or_id.empty()) return nullptr;
  const auto first = by_id_.lower_bound(name_or_id);
  if (first == by_id_.end() || !first->first.starts_with(name_or_id)) return nullptr;
  const auto second = std::next(first);
  if (second != by_id_.end() && second->first.starts_with(name_or_id)) {
    throw invalid(cat("multiple IDs found with provided prefix: ", name_or_id));
  }
  return first->second;
}

ContainerPtr ContainerRegistry::get(std::string_view name_or_id) const {
  if (ContainerPtr container = find(name_or_id)) return container;
  throw not_found(cat("No such container: ", name_or_id));
}

void ContainerRegistry::reserve(const std::string& name, const std::string& id) {
  const auto [place, inserted] = id_of_name_.emplace(name, id);
  if (inserted || place->second == id) return;
  throw conflict(cat("Conflict. The container name \"/", name, "\" is already in use by container \"", place->second,
                     "\". You have to remove (or rename) that container to be able to reuse that name."));
}

void ContainerRegistry::release(const std::string& name, const std::string& id) {
  const auto found = id_of_name_.find(name);
  if (found != id_of_name_.end() && found->second == id) id_of_name_.erase(found);
}

std::string ContainerRegistry::reserve_random(const std::string& id) {
  for (int attempt = 0; attempt < 8; ++attempt) {
    std::string name = random_name();
    if (attempt > 4) name += random_hex(2);
    if (id_of_name_.emplace(name, id).second) return name;
  }
  id_of_name_.emplace(id.substr(0, 12), id);
  return id.substr(0, 12);
}

void ContainerRegistry::add(ContainerPtr container) {
  const std::string id = container->id();
  by_id_.emplace(id, std::move(container));
}

void ContainerRegistry::remove(const Container& container) {
  release(container.record.name, container.id());
  by_id_.erase(container.id());
}

std::vector<ContainerPtr> ContainerRegistry::all() const {
  std::vector<ContainerPtr> containers;
  containers.reserve(by_id_.size());
  for (const auto& [id, container] : by_id_) containers.push_back(container);
  return containers;
}

}  // namespace berth::engine
