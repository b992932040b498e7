#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "base/sys/fd.h"

namespace berth::network {

/// A name that one process at a time has in a network namespace (an abstract socket's): a lock that reaches exactly as
/// far as the links do that it is about, needs no file, and goes with its holder however that ends.
class NamespaceName {
 public:
  /// nullopt when somebody else still has it after `patience`.
  static std::optional<NamespaceName> take(const std::string& name, std::chrono::milliseconds patience = {});

 private:
  explicit NamespaceName(sys::UniqueFd socket) : socket_(std::move(socket)) {}
  sys::UniqueFd socket_;
};

/// Held while a daemon looks for a free subnet and takes it, so that two daemons starting at once don't choose the
/// same. nullopt after five seconds of waiting: better to go on without it than not at all.
std::optional<NamespaceName> lock_subnet_choice();

}  // namespace berth::network
