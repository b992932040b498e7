#include "runtime/criu/mounts.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <set>

#include "base/core/text.h"
#include "base/sys/file.h"

namespace berth::runtime::criu {
namespace {

bool is_bind(const oci::Mount& mount) {
  const auto says = [&](const char* option) { return std::ranges::find(mount.options, option) != mount.options.end(); };
  return mount.type == "bind" || says("bind") || says("rbind");
}

/// As the mounter lays them out (mounts/mounter.cc).
void add_cgroups(const oci::Mount& mount, const std::string& path, const cgroups::Tree& tree,
                 std::vector<MountSource>& out) {
  if (tree.hierarchies.empty()) return;
  if (tree.unified()) {
    out.push_back({.destination = mount.destination, .source = tree.hierarchies.front().path + path});
    return;
  }
  out.push_back({.destination = mount.destination, .source = ""});
  for (const cgroups::Hierarchy& hierarchy : tree.hierarchies) {
    if (hierarchy.v2) continue;
    out.push_back({.destination = cat(mount.destination, "/", hierarchy.name), .source = hierarchy.path + path});
  }
}

/// mountinfo writes space, tab, newline and backslash as \ooo.
std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '\\' && at + 3 < text.size()) {
      out += static_cast<char>((text[at + 1] - '0') * 64 + (text[at + 2] - '0') * 8 + (text[at + 3] - '0'));
      at += 3;
    } else {
      out += text[at];
    }
  }
  return out;
}

bool lies_below(std::string_view path, std::string_view folder) {
  return path.size() > folder.size() && path.starts_with(folder) && path[folder.size()] == '/';
}

/// The mount that an open place lies on; 0 when the kernel doesn't say.
int mount_id_of(sys::FdRef place) {
  const std::string text = sys::read_file(cat("/proc/self/fdinfo/", place.get()));
  for (const std::string& line : split(text, '\n')) {
    if (line.starts_with("mnt_id:")) return parse_number<int>(trim(std::string_view{line}.substr(7))).value_or(0);
  }
  return 0;
}

}  // namespace

std::vector<MountSource> mount_sources(const oci::Spec& spec, const std::string& init_path, const cgroups::Tree& tree) {
  std::vector<MountSource> out;
  for (const oci::Mount& mount : spec.mounts) {
    if (mount.type == "cgroup" || mount.type == "cgroup2") {
      add_cgroups(mount, spec.linux_.cgroups_path, tree, out);
    } else {
      out.push_back({.destination = mount.destination, .source = is_bind(mount) ? mount.source : ""});
    }
  }
  if (!init_path.empty()) out.push_back({.destination = "/sbin/docker-init", .source = init_path});
  for (const std::string& path : spec.linux_.masked_paths) {
    out.push_back({.destination = path, .source = "/dev/null", .masked = true});
  }
  return out;
}

std::vector<MountLine> parse_mountinfo(std::string_view text) {
  std::vector<MountLine> out;
  for (const std::string& line : split(text, '\n')) {
    const std::vector<std::string> words = split(line, ' ');
    if (words.size() < 6) continue;
    if (const auto id = parse_number<int>(words[0])) out.push_back({*id, unescape(words[4])});
  }
  return out;
}

std::vector<ExternalMount> external_mounts(const std::vector<MountSource>& sources, const std::vector<int>& ids,
                                           const std::vector<MountLine>& lines) {
  std::vector<ExternalMount> out;
  std::set<int> known;
  std::vector<std::pair<std::string, const MountSource*>> places;  // mountpoints of what the spec asked for
  for (std::size_t at = 0; at < sources.size(); ++at) {
    const auto line = std::ranges::find(lines, ids[at], &MountLine::id);
    // A masked path without a mount of its own is seen to lie on one that somebody else asked for.
    if (line == lines.end() || !known.insert(line->id).second) continue;
    places.emplace_back(line->mountpoint, &sources[at]);
    if (!sources[at].source.empty()) out.push_back({line->mountpoint, sources[at].destination, ""});
  }
  for (const MountLine& line : lines) {
    if (known.contains(line.id)) continue;
    const std::pair<std::string, const MountSource*>* nearest = nullptr;
    for (const auto& place : places) {
      if (lies_below(line.mountpoint, place.first) && (!nearest || place.first.size() > nearest->first.size())) {
        nearest = &place;
      }
    }
    if (!nearest || nearest->second->source.empty()) continue;
    out.push_back({line.mountpoint, nearest->second->destination, line.mountpoint.substr(nearest->first.size())});
  }
  return out;
}

std::vector<ExternalMount> find_external_mounts(const std::vector<MountSource>& sources, pid_t init) {
  const std::vector<MountLine> lines = parse_mountinfo(sys::read_file(cat("/proc/", init, "/mountinfo")));
  const sys::UniqueFd root = sys::open_file(cat("/proc/", init, "/root"), O_PATH | O_DIRECTORY);
  std::vector<int> ids;
  for (const MountSource& source : sources) {
    ids.push_back(0);
    const auto place = sys::open_in_root_if_exists(root, source.destination, O_PATH);
    if (!place) continue;
    struct stat info{};
    if (::fstat(place->get(), &info) != 0) throw errno_error("fstat", source.destination);
    if (source.masked && !S_ISCHR(info.st_mode)) continue;  // a folder's cover is a tmpfs, which CRIU makes itself
    ids.back() = mount_id_of(*place);
  }
  return external_mounts(sources, ids, lines);
}

}  // namespace berth::runtime::criu
