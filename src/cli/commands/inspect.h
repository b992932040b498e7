#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/cli.h"

namespace berth::cli {

/// Prints what `get` (which throws) answers for each name: one indented JSON list, or the template for each.
/// Errors come after what was found; then the exit code is 1.
int inspect_all(const std::vector<std::string>& names, const std::string& format,
                const std::function<std::string(const std::string&)>& get);

}  // namespace berth::cli
