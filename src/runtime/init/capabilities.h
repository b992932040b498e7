#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "oci/runtime_spec.h"

namespace berth::runtime::init {

/// Bit number of "CAP_CHOWN"; nullopt for a name this build doesn't know.
std::optional<int> capability_number(std::string_view name);
const std::vector<std::string>& capability_names();  ///< in the order of their numbers

struct CapabilitySets {
  std::uint64_t bounding = 0, effective = 0, inheritable = 0, permitted = 0, ambient = 0;
};
/// Unknown names are ignored, as the specification asks for.
CapabilitySets capability_sets(const oci::Capabilities& capabilities);

/// Drops from the bounding set what is not in `sets`; while the process still has CAP_SETPCAP.
void drop_bounding(const CapabilitySets& sets);
/// The other sets, after the change of user. What the process doesn't have itself can't be given: it is left out, as
/// in an engine that runs inside a container.
void apply_capabilities(const CapabilitySets& sets);

}  // namespace berth::runtime::init
