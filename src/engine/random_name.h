#pragma once

#include <string>

namespace berth::engine {

/// A name for a container that was given none: "calm_lovelace". Not unique.
std::string random_name();

}  // namespace berth::engine
