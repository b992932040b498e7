#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/live_container.h"

namespace berth::engine {

/// Throws invalid with Docker's text unless `name` is one that a container may have.
void check_container_name(std::string_view name);

/// Which containers there are, and whose every name is.
class ContainerRegistry {
 public:
  /// By full ID, name (with or without its slash), or unambiguous ID prefix; nullptr when there is none. Throws invalid
  /// "multiple IDs found with provided prefix: x".
  ContainerPtr find(std::string_view name_or_id) const;
  ContainerPtr get(std::string_view name_or_id) const;  ///< throws not_found "No such container: x"

  /// Throws conflict, in the words that the CLI's users know.
  void reserve(const std::string& name, const std::string& id);
  void release(const std::string& name, const std::string& id);  ///< nothing when the name is somebody else's
  /// A random name that is free, reserved for `id`.
  std::string reserve_random(const std::string& id);

  void add(ContainerPtr container);
  void remove(const Container& container);  ///< with its name
  std::vector<ContainerPtr> all() const;
  std::size_t size() const { return by_id_.size(); }

 private:
  std::map<std::string, ContainerPtr, std::less<>> by_id_;
  std::map<std::string, std::string, std::less<>> id_of_name_;
};

}  // namespace berth::engine
