#include "cli/options/ports.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <optional>

#include "base/core/error.h"
#include "base/core/text.h"

namespace berth::cli {

namespace {

struct Range {
  std::uint16_t first = 0, last = 0;
  int size() const { return last - first; }
};

std::optional<Range> parse_range(std::string_view text) {
  const std::size_t dash = text.find('-');
  const auto first = parse_number<std::uint16_t>(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : parse_number<std::uint16_t>(text.substr(dash + 1));
  if (!first || !last || *last < *first) return std::nullopt;
  return Range{*first, *last};
}

struct Protocol {
  std::string port, name = "tcp";
};

Protocol split_protocol(const std::string& text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string::npos) return {.port = text};
  Protocol out{.port = text.substr(0, slash)};
  if (slash + 1 < text.size()) out.name = to_lower(text.substr(slash + 1));
  return out;
}

void check_protocol(const std::string& name) {
  if (name != "tcp" && name != "udp" && name != "sctp") throw invalid(cat("invalid proto: ", name));
}

bool is_ip(const std::string& text) {
  std::array<char, 16> binary{};
  return ::inet_pton(AF_INET, text.c_str(), binary.data()) == 1 ||
         ::inet_pton(AF_INET6, text.c_str(), binary.data()) == 1;
}

struct Parts {
  std::string ip, host, container;
};

/// From the right, since an IPv6 address has colons of its own.
Parts split_parts(const std::string& text) {
  const std::size_t last = text.rfind(':');
  if (last == std::string::npos) return {.container = text};
  Parts parts{.container = text.substr(last + 1)};
  const std::string rest = text.substr(0, last);
  const std::size_t before = rest.rfind(':');
  if (before == std::string::npos) {
    parts.host = rest;
  } else {
    parts.ip = rest.substr(0, before);
    parts.host = rest.substr(before + 1);
  }
  return parts;
}

std::string check_ip(const std::string& text) {
  std::string ip = text;
  if (ip.starts_with('[') && ip.ends_with(']')) ip = ip.substr(1, ip.size() - 2);
  if (!ip.empty() && !is_ip(ip)) throw invalid(cat("invalid IP address: ", text));
  return ip;
}

/// target=80,published=8080,protocol=udp,mode=host in the short form.
std::string short_form(const std::string& spec) {
  std::string target, published, protocol = "tcp";
  for (const std::string& field : split(spec, ',')) {
    const std::size_t equals = field.find('=');
    if (equals == std::string::npos) throw invalid(cat("invalid field: ", field));
    const std::string key = field.substr(0, equals), value = field.substr(equals + 1);
    if (key == "target")
      target = value;
    else if (key == "published")
      published = value;
    else if (key == "protocol")
      protocol = value;
    else if (key != "mode")
      throw invalid(cat("invalid field key: ", key));
  }
  if (target.empty()) throw invalid(cat("invalid publish opts format (should be name=value but got '", spec, "')"));
  return published.empty() ? cat(target, "/", protocol) : cat(published, ":", target, "/", protocol);
}

}  // namespace

void add_published(Ports& ports, const std::string& given) {
  const std::string spec = given.find('=') == std::string::npos ? given : short_form(given);
  const Parts parts = split_parts(spec);
  const Protocol container = split_protocol(parts.container);
  const std::string ip = check_ip(parts.ip);
  if (container.port.empty()) throw invalid(cat("no port specified: ", spec, "<empty>"));
  const auto inner = parse_range(container.port);
  if (!inner) throw invalid(cat("invalid containerPort: ", container.port));
  std::optional<Range> outer;
  if (!parts.host.empty()) {
    outer = parse_range(parts.host);
    if (!outer) throw invalid(cat("invalid hostPort: ", parts.host));
  }
  // Several host ports for one container port: the daemon takes a free one of them.
  const bool choice = outer && inner->size() == 0 && outer->size() != 0;
  if (outer && !choice && inner->size() != outer->size()) {
    throw invalid(cat("invalid ranges specified for container and host Ports: ", container.port, " and ", parts.host));
  }
  check_protocol(container.name);
  for (int i = 0; i <= inner->size(); ++i) {
    const std::string key = cat(inner->first + i, "/", container.name);
    std::string host = !outer ? "" : choice ? cat(outer->first, "-", outer->last) : cat(outer->first + i);
    ports.exposed.insert(key);
    ports.bindings[key].push_back({ip, std::move(host)});
  }
}

void add_exposed(Ports& ports, const std::string& spec) {
  if (spec.find(':') != std::string::npos) throw invalid(cat("invalid port format for --expose: ", spec));
  const Protocol container = split_protocol(spec);
  const auto range = parse_range(container.port);
  if (!range) {
    throw invalid(cat("invalid range format for --expose: ", spec, ", error: ",
                      container.port.empty()
                          ? std::string{"empty string specified for ports"}
                          : cat("strconv.ParseUint: parsing ", quoted(container.port), ": invalid syntax")));
  }
  check_protocol(container.name);
  for (int port = range->first; port <= range->last; ++port) ports.exposed.insert(cat(port, "/", container.name));
}

}  // namespace berth::cli
