#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace berth::registry {

/// What a server wants to see before it answers. Spec: RFC 9110 11.6.1, RFC 6750 3, distribution-spec "token".
struct Challenge {
  std::string scheme;                             ///< lower case: "basic", "bearer"
  std::map<std::string, std::string> parameters;  ///< names in lower case: "realm", "service", "scope"

  std::string parameter(const std::string& name) const {
    const auto found = parameters.find(name);
    return found == parameters.end() ? "" : found->second;
  }
};

/// The challenges of one WWW-Authenticate value, in order. What makes no sense ends the reading: what came before it
/// counts.
std::vector<Challenge> parse_challenges(std::string_view header);

}  // namespace berth::registry
