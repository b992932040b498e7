#pragma once

#include <memory>
#include <string>

#include "graph/driver.h"

namespace berth::graph {

/// Plain folders, for places where overlayfs does not work. A layer also has its whole tree (fs/, hard links into the
/// layers it comes from); a container gets a real copy of it.
std::unique_ptr<Driver> open_vfs(const std::string& root);

}  // namespace berth::graph
