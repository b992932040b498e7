#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <map>
#include <string>
#include <vector>

namespace berth::cli {

/// One --mount as an element of HostConfig.Mounts: type=bind,source=/a,target=/b,readonly,…
/// Throws invalid with docker's texts.
boost::json::object parse_mount(const std::string& spec);

struct Volumes {
  std::vector<std::string> binds;      ///< HostConfig.Binds: "/a:/b:ro", "name:/b"
  std::vector<std::string> anonymous;  ///< Config.Volumes: container paths
};
/// One -v. A host path that starts with "." is made absolute here, since the daemon's folder is another.
void add_volume(Volumes& volumes, const std::string& spec);

/// Fields of one line of comma separated values; a field in quotes may hold commas.
std::vector<std::string> split_csv(const std::string& line);

}  // namespace berth::cli
