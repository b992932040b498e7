#include <algorithm>
#include <array>
#include <map>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"
#include "engine/setup/parts.h"

namespace berth::engine::setup {

namespace {

Error bad_spec(std::string_view spec) { return invalid(cat("invalid volume specification: '", spec, "'")); }

bool is_one_of(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::ranges::find(words, word) != words.end();
}

bool is_propagation(std::string_view word) {
  return is_one_of(word, {"private", "rprivate", "shared", "rshared", "slave", "rslave"});
}

/// The third part of -v, one word of each kind at most.
bool is_mode(std::string_view mode) {
  if (mode.empty()) return true;
  std::array<int, 5> seen{};
  for (const std::string& word : split(mode, ',')) {
    const int kind = is_one_of(word, {"rw", "ro"})                                       ? 0
                     : is_one_of(word, {"z", "Z"})                                       ? 1
                     : is_propagation(word)                                              ? 2
                     : word == "nocopy"                                                  ? 3
                     : is_one_of(word, {"consistent", "cached", "delegated", "default"}) ? 4
                                                                                         : -1;
    if (kind < 0 || ++seen[static_cast<std::size_t>(kind)] > 1) return false;
  }
  return true;
}

bool has_word(std::string_view mode, std::string_view word) {
  const std::vector<std::string> words = split(mode, ',');
  return std::ranges::find(words, word) != words.end();
}

std::string propagation_in(std::string_view mode) {
  for (const std::string& word : split(mode, ',')) {
    if (is_propagation(word)) return word;
  }
  return "";
}

/// "" when good, else why `path` cannot be where something is mounted.
std::string target_problem(const std::string& path) {
  if (path.empty()) return "field Target must not be empty";
  if (clean_path(path) == "/") return "invalid specification: destination can't be '/'";
  if (path.front() != '/') return cat("invalid mount path: '", path, "' mount path must be absolute");
  return "";
}

void check_volume_name(const std::string& name) {
  if (name.size() == 1)
    throw invalid(
        cat("create ", name, ": volume name is too short, names should be at least two alphanumeric characters"));
  const auto is_alnum = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  };
  const bool good = is_alnum(name.front()) &&
                    std::ranges::all_of(name, [&](char c) { return is_alnum(c) || c == '_' || c == '.' || c == '-'; });
  if (!good) {
    throw invalid(cat("create ", name, ": ", quoted(name),
                      " includes invalid characters for a local volume name, only ",
                      quoted("[a-zA-Z0-9][a-zA-Z0-9_.-]"),
                      " are allowed. If you intended to pass a host directory, use absolute path"));
  }
}

void check_volume_driver(const std::string& driver, const std::string& name) {
  if (driver.empty() || driver == "local") return;
  throw not_found(
      cat("create ", name, ": error looking up volume plugin ", driver, ": plugin ", quoted(driver), " not found"));
}

/// No "..", not absolute, not empty.
bool is_local_path(std::string_view path) {
  const std::string clean = clean_path(path);
  return !path.empty() && path.front() != '/' && clean != ".." && !clean.starts_with("../");
}

std::string tmpfs_data(const container::Mount& mount) {
  std::vector<std::string> data;
  if (mount.read_only) data.emplace_back("ro");
  if (!mount.tmpfs_options) return join(data, ",");
  const container::TmpfsOptions& options = *mount.tmpfs_options;
  if (options.mode != 0) {
    char digits[16];
    const auto end = std::to_chars(digits, digits + sizeof digits, options.mode, 8).ptr;
    data.push_back(cat("mode=", std::string_view{digits, static_cast<std::size_t>(end - digits)}));
  }
  if (options.size_bytes < 0) throw invalid(cat("invalid tmpfs size: ", options.size_bytes));
  if (options.size_bytes != 0) data.push_back(cat("size=", options.size_bytes));
  for (const std::vector<std::string>& option : options.options) {
    if (option.empty() || option.size() > 2) throw invalid("invalid option array length");
    if (option[0] != "exec" && option[0] != "noexec") throw invalid("invalid option: " + option[0]);
    data.push_back(join(option, "="));
  }
  return join(data, ",");
}

void check_options_fit(const container::Mount& mount) {
  if (mount.type != "bind" && mount.bind_options) throw invalid("field BindOptions must not be specified");
  if (mount.type != "volume" && mount.volume_options) throw invalid("field VolumeOptions must not be specified");
  if (mount.type != "tmpfs" && mount.tmpfs_options) throw invalid("field TmpfsOptions must not be specified");
}

void parse_bind_mount(const container::Mount& mount, container::MountPoint& point) {
  if (mount.source.empty()) throw invalid("field Source must not be empty");
  const container::BindOptions options = mount.bind_options.value_or(container::BindOptions{});
  if (!options.propagation.empty() && !is_propagation(options.propagation)) {
    throw invalid(cat("invalid propagation mode: ", options.propagation));
  }
  if (mount.source.front() != '/') {
    throw invalid(cat("invalid mount path: '", mount.source, "' mount path must be absolute"));
  }
  if (!options.create_mountpoint && !sys::stat_if_exists(mount.source)) {
    throw invalid(cat("bind source path does not exist: ", mount.source));
  }
  if (options.read_only_non_recursive && options.read_only_force_recursive) {
    throw invalid("mount options conflict: ReadOnlyNonRecursive && ReadOnlyForceRecursive");
  }
  point.source = clean_path(mount.source);
  point.propagation = options.propagation.empty() ? "rprivate" : options.propagation;
  point.non_recursive = options.non_recursive;
  point.create_source = options.create_mountpoint;
  point.read_only_non_recursive = options.read_only_non_recursive;
  point.read_only_force_recursive = options.read_only_force_recursive;
}

void parse_volume_mount(const container::Mount& mount, container::MountPoint& point) {
  point.name = mount.source;
  point.driver = "local";
  point.mode = "z";
  point.anonymous = point.name.empty();
  if (point.anonymous && mount.read_only) throw invalid("must not set ReadOnly mode when using anonymous volumes");
  if (!mount.volume_options) return;
  const container::VolumeOptions& options = *mount.volume_options;
  if (!options.subpath.empty()) {
    if (point.anonymous) throw invalid("must not set Subpath when using anonymous volumes");
    if (!is_local_path(options.subpath)) throw invalid("subpath must be a relative path within the volume");
    throw not_implemented("volume-subpath is not implemented by Berth yet");
  }
  if (options.driver_config) {
    check_volume_driver(options.driver_config->name, point.name);
    if (!options.driver_config->options.empty()) {
      throw not_implemented("options of the local volume driver are not implemented by Berth yet");
    }
  }
  point.no_copy = options.no_copy;
}

}  // namespace

std::string clean_path(std::string_view path) {
  const bool absolute = path.starts_with('/');
  std::vector<std::string> kept;
  for (std::string& part : split(path, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == ".." && !kept.empty() && kept.back() != "..") {
      kept.pop_back();
    } else if (part != ".." || !absolute) {
      kept.push_back(std::move(part));
    }
  }
  const std::string inner = join(kept, "/");
  if (absolute) return "/" + inner;
  return inner.empty() ? "." : inner;
}

container::MountPoint parse_mount(const container::Mount& mount) {
  container::MountPoint point{.type = mount.type, .destination = {}, .rw = !mount.read_only};
  try {
    check_options_fit(mount);
    if (const std::string problem = target_problem(mount.target); !problem.empty()) throw invalid(problem);
    point.destination = clean_path(mount.target);
    if (mount.type == "bind") {
      parse_bind_mount(mount, point);
    } else if (mount.type == "volume") {
      parse_volume_mount(mount, point);
    } else if (mount.type == "tmpfs") {
      if (!mount.source.empty()) throw invalid("field Source must not be specified");
      point.tmpfs_options = tmpfs_data(mount);
      tmpfs_options(point.tmpfs_options);
    } else if (mount.type == "image" || mount.type == "cluster") {
      throw not_implemented(cat("mounts of type ", mount.type, " are not implemented by Berth yet"));
    } else {
      throw invalid("mount type unknown");
    }
  } catch (Error& error) {
    if (error.kind() == ErrorKind::invalid) {
      throw invalid(cat("invalid mount config for type ", quoted(mount.type), ": ", error.text()));
    }
    throw;
  }
  if (mount.type == "volume" && !point.anonymous) check_volume_name(point.name);
  return point;
}

container::MountPoint parse_bind(const std::string& bind, const std::string& volume_driver) {
  const std::vector<std::string> parts = split(bind, ':');
  if (parts.size() > 3 || parts[0].empty()) throw bad_spec(bind);
  if (parts.size() == 2 && is_mode(parts[1])) throw bad_spec(bind);  // "/foo:ro": a volume without a mode's target
  const std::string mode = parts.size() == 3 ? parts[2] : "";
  if (!is_mode(mode)) throw invalid(cat("invalid mode: ", mode));
  const std::string source = parts.size() > 1 ? parts[0] : "", target = parts.size() > 1 ? parts[1] : parts[0];
  const std::string type = source.starts_with('/') ? "bind" : "volume";
  if (const std::string problem = target_problem(target); !problem.empty()) {
    throw invalid(cat(bad_spec(bind).text(), ": invalid mount config for type ", quoted(type), ": ", problem));
  }
  container::MountPoint point{
      .type = type, .destination = clean_path(target), .mode = mode, .rw = !has_word(mode, "ro")};
  if (type == "bind") {
    if (has_word(mode, "nocopy")) {
      throw invalid(cat(bad_spec(bind).text(),
                        ": invalid mount config for type \"bind\": field VolumeOptions must not be specified"));
    }
    point.source = clean_path(source);
    point.propagation = propagation_in(mode);
    if (point.propagation.empty()) point.propagation = "rprivate";
    point.create_source = true;
    return point;
  }
  if (!propagation_in(mode).empty()) {
    throw invalid(cat(bad_spec(bind).text(),
                      ": invalid mount config for type \"volume\": field BindOptions must not be specified"));
  }
  check_volume_driver(volume_driver, source);
  if (!source.empty()) check_volume_name(source);
  point.name = source;
  point.anonymous = source.empty();
  point.driver = "local";
  point.no_copy = has_word(mode, "nocopy");
  if (mode.empty()) point.mode = "z";
  return point;
}

void check_tmpfs_destination(const std::string& destination) {
  if (const std::string problem = target_problem(destination); !problem.empty()) throw invalid(problem);
}

std::vector<std::string> tmpfs_options(const std::string& data) {
  static const std::map<std::string_view, std::string_view> kOpposites{{"exec", "noexec"},
                                                                       {"noexec", "exec"},
                                                                       {"suid", "nosuid"},
                                                                       {"nosuid", "suid"},
                                                                       {"dev", "nodev"},
                                                                       {"nodev", "dev"},
                                                                       {"ro", "rw"},
                                                                       {"rw", "ro"},
                                                                       {"sync", "async"},
                                                                       {"async", "sync"},
                                                                       {"atime", "noatime"},
                                                                       {"noatime", "atime"},
                                                                       {"diratime", "nodiratime"},
                                                                       {"nodiratime", "diratime"},
                                                                       {"relatime", "norelatime"},
                                                                       {"norelatime", "relatime"},
                                                                       {"strictatime", "nostrictatime"},
                                                                       {"nostrictatime", "strictatime"},
                                                                       {"dirsync", ""},
                                                                       {"mand", "nomand"},
                                                                       {"nomand", "mand"},
                                                                       {"defaults", ""}};
  std::vector<std::string> options{"noexec", "nosuid", "nodev", "rprivate"};
  if (data.empty()) return options;
  for (const std::string& option : split(data, ',')) {
    const std::string key = option.substr(0, option.find('='));
    const auto flag = kOpposites.find(option);
    const bool is_data =
        is_one_of(key, {"size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "mpol"}) && key.size() < option.size();
    if (flag == kOpposites.end() && !is_data && !is_propagation(option)) {
      throw invalid(cat("invalid tmpfs option [", quoted(option), "]"));
    }
    std::erase_if(options, [&](const std::string& old) {
      if (is_data) return old.starts_with(key + "=");
      if (is_propagation(option)) return is_propagation(old);
      return old == option || old == flag->second;
    });
    if (option != "defaults") options.push_back(option);
  }
  return options;
}

}  // namespace berth::engine::setup

namespace berth::engine {

namespace {

using Points = std::map<std::string, container::MountPoint>;

void add_volumes_from(const container::HostConfig& host_config,
                      const std::map<std::string, const container::Record*>& volumes_from, Points& points) {
  for (const std::string& spec : host_config.volumes_from) {
    const auto [name, mode] = parse_volumes_from(spec);
    const auto found = volumes_from.find(name);
    if (found == volumes_from.end() || found->second == nullptr) throw not_found(cat("No such container: ", name));
    for (container::MountPoint point : found->second->mount_points) {
      point.rw = point.rw && mode != "ro" && !mode.starts_with("ro,") && !mode.ends_with(",ro");
      point.no_copy = true;
      point.anonymous = false;  // it goes with its first owner
      point.mode.clear();
      points[point.destination] = std::move(point);
    }
  }
}

void add_unique(container::MountPoint point, const std::string& shown, std::map<std::string, bool>& taken,
                Points& points) {
  if (taken.contains(point.destination)) throw invalid(cat("Duplicate mount point: ", shown));
  taken[point.destination] = true;
  points[point.destination] = std::move(point);
}

}  // namespace

std::pair<std::string, std::string> parse_volumes_from(const std::string& spec) {
  if (spec.empty()) throw invalid("volumes-from specification cannot be an empty string");
  const std::size_t colon = spec.find(':');
  const std::string mode = colon == std::string::npos ? "" : spec.substr(colon + 1);
  for (const std::string& word : split(mode, ',')) {
    if (word != "" && word != "rw" && word != "ro" && word != "z" && word != "Z") {
      throw invalid(cat("invalid mode: ", mode));
    }
  }
  return {spec.substr(0, colon), mode.empty() ? "rw" : mode};
}

std::vector<container::MountPoint> resolve_mount_points(
    const container::CreateRequest& request, const std::map<std::string, const container::Record*>& volumes_from) {
  const container::HostConfig& host_config = request.host_config;
  Points points;
  add_volumes_from(host_config, volumes_from, points);

  std::map<std::string, bool> taken;
  for (const auto& [destination, options] : host_config.tmpfs) taken[setup::clean_path(destination)] = true;
  for (const std::string& bind : host_config.binds) {
    container::MountPoint point = setup::parse_bind(bind, host_config.volume_driver);
    const std::string shown = point.destination;
    add_unique(std::move(point), shown, taken, points);
  }
  for (const container::Mount& mount : host_config.mounts) {
    add_unique(setup::parse_mount(mount), mount.target, taken, points);
  }
  for (const auto& [path, nothing] : request.volumes) {
    const std::string destination = setup::clean_path(path);
    if (destination == "/") throw invalid("invalid specification: destination can't be '/'");
    if (points.contains(destination) || taken.contains(destination)) continue;
    points[destination] = {.type = "volume", .destination = destination, .driver = "local", .anonymous = true};
  }

  std::vector<container::MountPoint> all;
  for (auto& [destination, point] : points) {
    if (point.type == "volume" && point.name.empty()) point.name = random_hex(32);
    all.push_back(std::move(point));
  }
  // What lies deeper is mounted later.
  std::ranges::sort(all, {}, [](const container::MountPoint& point) {
    return std::pair{std::ranges::count(point.destination, '/'), std::string_view{point.destination}};
  });
  return all;
}

}  // namespace berth::engine
