#include "cli/options/mounts.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/core/error.h"
#include "base/core/text.h"
#include "cli/text/units.h"

namespace berth::cli {

namespace json = boost::json;

namespace {

std::string absolute(const std::string& path) { return std::filesystem::absolute(path).lexically_normal().string(); }

bool parse_flag(const std::string& key, const std::string& value) {
  if (value == "true" || value == "1") return true;
  if (value == "false" || value == "0") return false;
  throw invalid(cat("invalid value for ", key, ": ", value));
}

/// The option groups of one mount; a group that is empty was not asked for.
struct MountOptions {
  json::object bind, volume, tmpfs, image;
};

json::object& nested(json::object& owner, std::string_view name) {
  json::value& value = owner[name];
  if (!value.is_object()) value = json::object{};
  return value.get_object();
}

void add_pair(json::object& map, const std::string& pair) {
  const std::size_t equals = pair.find('=');
  map[pair.substr(0, equals)] = equals == std::string::npos ? "" : pair.substr(equals + 1);
}

void set_bind_recursive(json::object& bind, const std::string& value) {
  if (value == "enabled") return;
  if (value == "disabled")
    bind["NonRecursive"] = true;
  else if (value == "writable")
    bind["ReadOnlyNonRecursive"] = true;
  else if (value == "readonly")
    bind["ReadOnlyForceRecursive"] = true;
  else
    throw invalid(cat("invalid value for bind-recursive: ", value,
                      " (must be \"enabled\", \"disabled\", \"writable\", or \"readonly\")"));
}

void set_tmpfs_mode(json::object& tmpfs, const std::string& value) {
  const auto mode = parse_number<std::uint32_t>(value, 8);
  if (!mode) throw invalid(cat("invalid value for tmpfs-mode: ", value));
  tmpfs["Mode"] = *mode;
}

/// Returns false for a key that is none.
bool set_option(json::object& mount, MountOptions& options, const std::string& key, const std::string& value) {
  if (key == "type")
    mount["Type"] = to_lower(value);
  else if (key == "source" || key == "src")
    mount["Source"] = value.starts_with('.') ? absolute(value) : value;
  else if (key == "target" || key == "dst" || key == "destination")
    mount["Target"] = value;
  else if (key == "readonly" || key == "ro")
    mount["ReadOnly"] = parse_flag(key, value);
  else if (key == "consistency")
    mount["Consistency"] = to_lower(value);
  else if (key == "bind-propagation")
    options.bind["Propagation"] = to_lower(value);
  else if (key == "bind-nonrecursive")
    options.bind["NonRecursive"] = parse_flag(key, value);
  else if (key == "bind-recursive")
    set_bind_recursive(options.bind, value);
  else if (key == "volume-subpath")
    options.volume["Subpath"] = value;
  else if (key == "volume-nocopy")
    options.volume["NoCopy"] = parse_flag(key, value);
  else if (key == "volume-label")
    add_pair(nested(options.volume, "Labels"), value);
  else if (key == "volume-driver")
    nested(options.volume, "DriverConfig")["Name"] = value;
  else if (key == "volume-opt")
    add_pair(nested(nested(options.volume, "DriverConfig"), "Options"), value);
  else if (key == "image-subpath")
    options.image["Subpath"] = value;
  else if (key == "tmpfs-size")
    options.tmpfs["SizeBytes"] = parse_size(value);
  else if (key == "tmpfs-mode")
    set_tmpfs_mode(options.tmpfs, value);
  else
    return false;
  return true;
}

bool may_stand_alone(const std::string& key) {
  return key == "readonly" || key == "ro" || key == "volume-nocopy" || key == "bind-nonrecursive";
}

void check_groups(const json::object& mount, const MountOptions& options) {
  const std::string_view type = mount.at("Type").as_string();
  const auto check = [&](const json::object& group, std::string_view name) {
    if (!group.empty() && type != name) {
      throw invalid(cat("cannot mix '", name, "-*' options with mount type '", type, "'"));
    }
  };
  check(options.bind, "bind");
  check(options.volume, "volume");
  check(options.tmpfs, "tmpfs");
  check(options.image, "image");
}

}  // namespace

std::vector<std::string> split_csv(const std::string& line) {
  std::vector<std::string> fields(1);
  bool in_quotes = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (in_quotes && c == '"' && i + 1 < line.size() && line[i + 1] == '"')
      fields.back() += line[++i];
    else if (c == '"' && (in_quotes || fields.back().empty()))
      in_quotes = !in_quotes;
    else if (c == ',' && !in_quotes)
      fields.emplace_back();
    else
      fields.back() += c;
  }
  if (in_quotes)
    throw invalid(cat("parse error on line 1, column ", line.size() + 1, ": extraneous or missing \" in quoted-field"));
  return fields;
}

json::object parse_mount(const std::string& spec) {
  json::object mount{{"Type", "volume"}};
  MountOptions options;
  if (spec.empty()) throw invalid("value is empty");
  for (const std::string& field : split_csv(spec)) {
    const std::size_t equals = field.find('=');
    const std::string key = to_lower(field.substr(0, equals));
    if (equals == std::string::npos && !may_stand_alone(key)) {
      throw invalid(cat("invalid field '", field, "' must be a key=value pair"));
    }
    const std::string value = equals == std::string::npos ? "true" : field.substr(equals + 1);
    if (!set_option(mount, options, key, value)) throw invalid(cat("unexpected key '", key, "' in '", field, "'"));
  }
  if (mount.at("Type").as_string().empty()) throw invalid("type is required");
  if (!mount.contains("Target") || mount.at("Target").as_string().empty()) throw invalid("target is required");
  check_groups(mount, options);
  if (!options.bind.empty()) mount["BindOptions"] = std::move(options.bind);
  if (!options.volume.empty()) mount["VolumeOptions"] = std::move(options.volume);
  if (!options.tmpfs.empty()) mount["TmpfsOptions"] = std::move(options.tmpfs);
  if (!options.image.empty()) mount["ImageOptions"] = std::move(options.image);
  return mount;
}

void add_volume(Volumes& volumes, const std::string& spec) {
  if (spec.empty()) throw invalid("invalid empty volume spec");
  const std::size_t colon = spec.find(':');
  if (colon == std::string::npos) {
    volumes.anonymous.push_back(spec);
    return;
  }
  const std::string source = spec.substr(0, colon);
  const bool relative = source == "." || source == ".." || source.starts_with("./") || source.starts_with("../");
  volumes.binds.push_back(relative ? cat(absolute(source), spec.substr(colon)) : spec);
}

}  // namespace berth::cli
