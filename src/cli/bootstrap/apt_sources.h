#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace berth::cli {

/// One line of apt's sources, of packages (not source code).
struct AptSource {
  std::string uri, suite;
  std::vector<std::string> components;
};

std::vector<AptSource> parse_list_file(std::string_view text);    ///< sources.list: one source a line
std::vector<AptSource> parse_deb822_file(std::string_view text);  ///< *.sources: stanzas of fields
std::vector<AptSource> read_host_sources();                       ///< all of /etc/apt

/// The lines that give `suite` (a Debian code name) from where this host gets its own packages: the release itself,
/// and its updates and security updates if the host uses them for its own release. Throws not_found.
std::vector<std::string> sources_for(const std::vector<AptSource>& host, const std::string& suite);

}  // namespace berth::cli
