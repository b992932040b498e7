#include "oci/reference.h"

#include <algorithm>
#include <vector>

#include "base/core/error.h"
#include "base/core/text.h"

namespace berth::oci {

namespace {

constexpr std::string_view kDefaultDomain = "docker.io", kLegacyDefaultDomain = "index.docker.io",
                           kOfficialPrefix = "library/";
constexpr std::size_t kMaxNameLength = 255;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_alnum(char c) { return is_digit(c) || is_lower(c) || is_upper(c); }
bool is_xdigit(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
template <class Test>
bool all(std::string_view text, Test test) {
  return std::all_of(text.begin(), text.end(), test);
}

Error bad_format() { return invalid("invalid reference format"); }

/// [a-zA-Z0-9] or [a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]
bool is_domain_component(std::string_view text) {
  return !text.empty() && is_alnum(text.front()) && is_alnum(text.back()) &&
         all(text, [](char c) { return is_alnum(c) || c == '-'; });
}

bool is_domain(std::string_view text) {
  std::string_view host = text;
  if (host.starts_with('[')) {
    const std::size_t end = host.find(']');
    if (end == std::string_view::npos || end == 1) return false;
    if (!all(host.substr(1, end - 1), [](char c) { return is_xdigit(c) || c == ':'; })) return false;
    host.remove_prefix(end + 1);
    return host.empty() || (host.size() > 1 && host[0] == ':' && all(host.substr(1), is_digit));
  }
  const std::size_t colon = host.find(':');
  if (colon != std::string_view::npos) {
    const std::string_view port = host.substr(colon + 1);
    if (port.empty() || !all(port, is_digit)) return false;
    host = host.substr(0, colon);
  }
  const std::vector<std::string> components = split(host, '.');
  return std::all_of(components.begin(), components.end(), is_domain_component);
}

/// [a-z0-9]+ pieces with ".", "_", "__" or any number of "-" between them.
bool is_path_component(std::string_view text) {
  const auto is_word = [](char c) { return is_digit(c) || is_lower(c); };
  if (text.empty() || !is_word(text.front()) || !is_word(text.back())) return false;
  for (std::size_t at = 0; at < text.size();) {
    if (is_word(text[at])) {
      ++at;
      continue;
    }
    std::size_t end = at;
    while (end < text.size() && text[end] == text[at]) ++end;
    const std::size_t run = end - at;
    if (end < text.size() && !is_word(text[end])) return false;
    if (text[at] == '-' || (text[at] == '.' && run == 1) || (text[at] == '_' && run <= 2))
      at = end;
    else
      return false;
  }
  return true;
}

bool is_path(std::string_view text) {
  const std::vector<std::string> components = split(text, '/');
  return std::all_of(components.begin(), components.end(), is_path_component);
}

bool is_tag(std::string_view text) {
  const auto is_word = [](char c) { return is_alnum(c) || c == '_'; };
  return !text.empty() && text.size() <= 128 && is_word(text.front()) &&
         all(text, [&](char c) { return is_word(c) || c == '.' || c == '-'; });
}

void check_digest(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0) throw bad_format();
  const std::string_view algorithm = text.substr(0, colon), hex = text.substr(colon + 1);
  if (hex.size() < 32 || !all(hex, is_xdigit)) throw bad_format();
  if (algorithm != "sha256" && algorithm != "sha384" && algorithm != "sha512") {
    throw invalid("unsupported digest algorithm");
  }
  const std::size_t wanted = algorithm == "sha256" ? 64 : algorithm == "sha384" ? 96 : 128;
  if (hex.size() != wanted) throw invalid("invalid checksum digest length");
  if (std::any_of(hex.begin(), hex.end(), is_upper)) throw invalid("invalid checksum digest format");
}

bool is_full_hex(std::string_view text) {
  return text.size() == 64 && all(text, [](char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); });
}

}  // namespace

std::string Reference::name() const { return cat(domain, "/", path); }

std::string Reference::familiar_name() const {
  if (domain != kDefaultDomain) return name();
  const bool official =
      path.starts_with(kOfficialPrefix) && path.find('/', kOfficialPrefix.size()) == std::string::npos;
  std::string shown = official ? path.substr(kOfficialPrefix.size()) : path;
  // Without its domain the name must not begin with what reads like another one.
  const std::string first = shown.substr(0, shown.find('/'));
  const bool ambiguous = first.size() != shown.size() && (first.contains('.') || first == "localhost");
  return ambiguous ? name() : shown;
}

namespace {
std::string with_suffixes(std::string name, const Reference& reference) {
  if (!reference.tag.empty()) name += cat(":", reference.tag);
  if (!reference.digest.empty()) name += cat("@", reference.digest);
  return name;
}
}  // namespace

std::string Reference::full() const { return with_suffixes(name(), *this); }
std::string Reference::familiar() const { return with_suffixes(familiar_name(), *this); }

Reference Reference::with_default_tag() const {
  Reference result = *this;
  if (tag.empty() && digest.empty()) result.tag = "latest";
  return result;
}

Reference parse_reference(std::string_view text) {
  if (is_full_hex(text)) {
    throw invalid(cat("invalid repository name (", text, "), cannot specify 64-byte hexadecimal strings"));
  }
  Reference reference;
  std::string_view rest = text;
  const std::size_t slash = rest.find('/');
  const std::string_view first = rest.substr(0, slash);
  const bool has_domain =
      slash != std::string_view::npos && (first.find_first_of(".:") != std::string_view::npos || first == "localhost" ||
                                          std::any_of(first.begin(), first.end(), is_upper));
  if (has_domain) {
    reference.domain = first;
    rest.remove_prefix(slash + 1);
  } else {
    reference.domain = kDefaultDomain;
  }
  if (reference.domain == kLegacyDefaultDomain) reference.domain = kDefaultDomain;

  std::string_view name = rest;
  if (const std::size_t at = name.find('@'); at != std::string_view::npos) {
    reference.digest = name.substr(at + 1);
    name = name.substr(0, at);
  }
  if (const std::size_t colon = name.find(':'); colon != std::string_view::npos) {
    reference.tag = name.substr(colon + 1);
    if (reference.tag.empty()) throw bad_format();
    name = name.substr(0, colon);
  }
  reference.path = name;
  if (reference.domain == kDefaultDomain && name.find('/') == std::string_view::npos && !name.empty()) {
    reference.path = cat(kOfficialPrefix, name);
  }
  if (std::any_of(name.begin(), name.end(), is_upper)) {
    throw invalid(cat("invalid reference format: repository name (", reference.path, ") must be lowercase"));
  }
  if (!is_domain(reference.domain) || !is_path(reference.path)) throw bad_format();
  if (!reference.tag.empty() && !is_tag(reference.tag)) throw bad_format();
  if (rest.find('@') != std::string_view::npos) check_digest(reference.digest);
  if (reference.path.size() > kMaxNameLength) throw invalid("repository name must not be more than 255 characters");
  return reference;
}

std::optional<Reference> try_parse_reference(std::string_view text) {
  try {
    return parse_reference(text);
  } catch (const Error&) {
    return std::nullopt;
  }
}

void check_tag(std::string_view tag) {
  if (!is_tag(tag)) throw invalid("invalid tag format");
}

}  // namespace berth::oci
