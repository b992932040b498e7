#include "registry/server/htpasswd.h"

#include "base/core/error.h"
#include "base/core/text.h"

namespace berth::registry::server {

std::map<std::string, std::string> parse_htpasswd(std::string_view file, std::string_view name) {
  std::map<std::string, std::string> hashes;
  for (const std::string& line : split(file, '\n')) {
    const std::string_view text = trim(line);
    if (text.empty() || text.starts_with('#')) continue;
    const std::size_t colon = text.find(':');
    const std::string_view hash = colon == std::string_view::npos ? std::string_view{} : text.substr(colon + 1);
    if (!hash.starts_with("$2y$") && !hash.starts_with("$2a$") && !hash.starts_with("$2b$")) {
      throw invalid(cat(name, ": only bcrypt is taken; make it with htpasswd -B"));
    }
    if (colon > 0) hashes[std::string{text.substr(0, colon)}] = hash;
  }
  return hashes;
}

}  // namespace berth::registry::server
