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
    const std::string name = to_lower(trim(std::string_view{filter}.substr(0, equals)));
    sorted[name][std::string{trim(std::string_view{filter}.substr(equals + 1))}] = true;
  }
  return json::to_json(sorted);
}

void declare_filter(FlagSet& flags, std::vector<std::string>& filters, char shorthand, std::string description) {
  flags.custom("filter", shorthand, "filter", std::move(description), [&filters](const std::string& text) {
    if (!text.empty() && text.find('=') == std::string::npos) {
      throw invalid("bad format of filter (expected name=value)");
    }
    filters.push_back(text);
  });
}

}  // namespace berth::cli
