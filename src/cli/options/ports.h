#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace berth::cli {

struct HostPort {
  std::string ip, port;  ///< port: "8080", "8000-8010" (one of them) or "" (any)
  bool operator==(const HostPort&) const = default;
};

struct Ports {
  std::set<std::string> exposed;                          ///< "80/tcp"
  std::map<std::string, std::vector<HostPort>> bindings;  ///< by "80/tcp"
};

/// One -p: [[IP:]HOST_PORT:]CONTAINER_PORT[/PROTO] with ranges, or target=80,published=8080,protocol=tcp.
/// Throws invalid with docker's texts.
void add_published(Ports& ports, const std::string& spec);
/// One --expose: PORT[-PORT][/PROTO].
void add_exposed(Ports& ports, const std::string& spec);

}  // namespace berth::cli
