#include "cli/options/filters.h"

#include <map>
#include <set>

#include "base/core/text.h"
#include "base/json/json.h"

namespace berth::cli {

std::string filters_json(const std::vector<std::string>& filters) {
  if (filters.empty()) return "";
  std::map<std::string, std::map<std::string, bool>> sorted;
  for (const std::string& filter : filters) {
    if (filter.empty()) continue;
    const std::size_t equals = filter.find('=');
    if (equals == std::string::npos) {
      throw invalid(cat("invalid argument ", quoted(filter),
                        " for \"-f, --filter\" flag: invalid filter '", filter, "': bad format (expected name=value)"));
    }
    const std::string name = to_lower(trim(std::string_view{filter}.substr(0, equals)));
    sorted[name][std::string{trim(std::string_view{filter}.substr(equals + 1))}] = true;
  }
  return json::to_json(sorted);
}

}  // namespace berth::cli
