#pragma once

#include <string>

#include "cli/json_view.h"

namespace berth::cli {

/// Images (of GET /images/json?manifests=1), each name with its platforms below, those that are not here too: as Docker
/// 29's `image ls --tree` writes it where there is no terminal.
std::string image_tree(const Json& images, bool with_nameless);

}  // namespace berth::cli
