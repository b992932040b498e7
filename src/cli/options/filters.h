#pragma once

#include <string>
#include <vector>

namespace berth::cli {

/// "status=running" and its like as the API wants them: {"status":{"running":true}}; "" when there are none.
/// Throws invalid, "invalid argument …: bad format of filter (expected name=value)".
std::string filters_json(const std::vector<std::string>& filters);

}  // namespace berth::cli
