#pragma once

#include <string>
#include <vector>

#include "cli/flags/flag_set.h"

namespace berth::cli {

/// "status=running" and its like as the API wants them: {"status":{"running":true}}; "" when there are none.
std::string filters_json(const std::vector<std::string>& filters);

/// Declares --filter; a value without "=" is refused while flags are read.
void declare_filter(FlagSet& flags, std::vector<std::string>& filters, char shorthand, std::string description);

}  // namespace berth::cli
