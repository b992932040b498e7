#pragma once

#include <memory>
#include <string>

#include "graph/driver.h"

namespace berth::graph {

/// Layers as overlayfs's lower folders, containers as its upper ones.
std::unique_ptr<Driver> open_overlay2(const std::string& root);

/// Whether overlayfs works in `root`, tried with a detached mount that nobody ever sees.
bool overlay_works(const std::string& root);

}  // namespace berth::graph
