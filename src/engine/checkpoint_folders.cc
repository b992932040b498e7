#include "engine/checkpoint_folders.h"

#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"
#include "base/sys/process.h"
#include "runtime/criu/images.h"

namespace berth::engine {

namespace {

constexpr std::string_view kStagingPrefix = ".berth-partial-";

bool is_checkpoint_name(std::string_view name) {
  const auto is_alphanumeric = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  };
  return name.size() >= 2 && is_alphanumeric(name.front()) && std::ranges::all_of(name.substr(1), [&](char c) {
           return is_alphanumeric(c) || c == '_' || c == '.' || c == '-';
         });
}

Error not_a_folder(const std::string& path) { return system_error(cat(path, " exists and is not a directory")); }

std::string first_line(std::string_view text) { return std::string{trim(text.substr(0, text.find('\n')))}; }

}  // namespace

void check_checkpoint_name(const std::string& name) {
  if (is_checkpoint_name(name)) return;
  throw system_error(cat("Invalid checkpoint ID (", name, "), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"));
}

std::string staging_path(const std::string& checkpoint) {
  const std::size_t slash = checkpoint.rfind('/');
  return cat(checkpoint.substr(0, slash + 1), kStagingPrefix, checkpoint.substr(slash + 1));
}

std::string reserve_checkpoint(const std::string& dir, const std::string& name, const std::string& shown) {
  std::string path = cat(dir, "/", name);
  if (const auto info = sys::stat_if_exists(path)) {
    if (!S_ISDIR(info->st_mode)) throw not_a_folder(path);
    throw system_error(cat("checkpoint with name ", name, " already exists for container ", shown));
  }
  sys::ensure_dir(dir, 0700);
  return path;
}

std::string get_checkpoint(const std::string& dir, const std::string& name, const std::string& shown) {
  std::string path = cat(dir, "/", name);
  // Docker takes any path here; one that leads out of the folder is no checkpoint's name.
  const auto info = is_checkpoint_name(name) ? sys::stat_if_exists(path) : std::nullopt;
  if (!info) throw system_error(cat("checkpoint ", name, " does not exist for container ", shown));
  if (!S_ISDIR(info->st_mode)) throw not_a_folder(path);
  return path;
}

std::vector<std::string> list_checkpoints(const std::string& dir) {
  std::vector<std::string> names;
  for (std::string& name : sys::list_dir(dir)) {
    const auto info = sys::stat_if_exists(cat(dir, "/", name));
    if (info && S_ISDIR(info->st_mode) && !name.starts_with(kStagingPrefix)) names.push_back(std::move(name));
  }
  std::ranges::sort(names);
  return names;
}

void remove_partial_checkpoints(const std::string& dir, const Logger& log) {
  try {
    for (const std::string& name : sys::list_dir(dir)) {
      if (name.starts_with(kStagingPrefix)) sys::remove_tree(cat(dir, "/", name));
    }
  } catch (const Error& error) {
    log.warn("removing a half-made checkpoint: ", error.text());
  }
}

void check_can_checkpoint(const container::Record& record) {
  const container::HostConfig& host_config = record.host_config;
  for (const std::string& mode : {host_config.pid_mode, host_config.ipc_mode}) {
    if (!mode.starts_with("container:")) continue;
    throw not_implemented("a container that shares another one's processes or IPC can't be checkpointed");
  }
}

std::string find_criu() {
  static constexpr const char* kPlaces[] = {"/usr/local/sbin/criu", "/usr/local/bin/criu", "/usr/sbin/criu",
                                            "/usr/bin/criu"};
  const auto* const found = std::ranges::find_if(kPlaces, [](const char* path) { return ::access(path, X_OK) == 0; });
  if (found == std::end(kPlaces)) throw system_error("exec: \"criu\": executable file not found in $PATH");
  const sys::CommandResult check = sys::run_command({*found, "check"});
  if (check.status.code == 0) return *found;
  std::string why = runtime::criu::errors_in_log(check.output);
  if (why.empty()) why = first_line(check.output);
  std::string version = sys::run_command({*found, "--version"}).output;
  version = first_line(version);
  if (version.starts_with("Version: ")) version.erase(0, 9);
  utsname kernel{};
  ::uname(&kernel);
  throw system_error(cat("criu ", version, " can't work on this machine (Linux ",
                         std::string_view{static_cast<const char*>(kernel.release)}, "): criu check: ", why));
}

}  // namespace berth::engine
