#include "runtime/cgroups/cgroup.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"
#include "runtime/cgroups/device_program.h"
#include "runtime/cgroups/settings.h"

namespace berth::runtime::cgroups {
namespace {

void pause_ms(long milliseconds) {
  const timespec time{0, milliseconds * 1'000'000};
  ::nanosleep(&time, nullptr);
}

/// 0, or errno. The kernel's control files take one write(2) for one value.
int put(const std::string& path, std::string_view value) {
  const int fd = sys::retry_on_eintr([&] { return ::open(path.c_str(), O_WRONLY | O_CLOEXEC); });
  if (fd < 0) return errno;
  const sys::UniqueFd file{fd};
  const auto written = sys::retry_on_eintr([&] { return ::write(fd, value.data(), value.size()); });
  return written < 0 ? errno : 0;
}

std::string get(const std::string& path) {
  try {
    return sys::read_file_if_exists(path).value_or("");
  } catch (const Error&) {
    return "";  // the group went away between open and read (ENODEV)
  }
}

/// A new v1 cpuset has neither CPUs nor memory nodes, and takes no process until it has.
void copy_from_parent(const std::string& parent, const std::string& folder, const std::string& file) {
  if (!trim(get(cat(folder, '/', file))).empty()) return;
  const std::string value{trim(get(cat(parent, '/', file)))};
  if (value.empty()) return;
  if (const int error = put(cat(folder, '/', file), value); error != 0) throw errno_error(error, "write", file);
}

bool has_cpuset(const Hierarchy& hierarchy) {
  return std::ranges::find(hierarchy.controllers, "cpuset") != hierarchy.controllers.end();
}

/// False when it was there already.
bool make_level(const Hierarchy& hierarchy, const std::string& parent, const std::string& folder) {
  const bool made = ::mkdir(folder.c_str(), 0755) == 0;
  if (!made && errno != EEXIST) throw errno_error("mkdir", folder);
  if (!hierarchy.v2 && has_cpuset(hierarchy)) {
    copy_from_parent(parent, folder, "cpuset.cpus");
    copy_from_parent(parent, folder, "cpuset.mems");
  }
  return made;
}

/// Hands every controller that `parent` has down to its children, one by one: one that is refused (a real-time
/// process under cpu) must not keep the others away.
void enable_controllers(const std::string& parent) {
  const std::string enabled = cat(' ', trim(get(cat(parent, "/cgroup.subtree_control"))), ' ');
  for (const std::string& controller : split(trim(get(cat(parent, "/cgroup.controllers"))), ' ')) {
    if (controller.empty() || enabled.find(cat(' ', controller, ' ')) != std::string::npos) continue;
    put(cat(parent, "/cgroup.subtree_control"), cat('+', controller));
  }
}

/// The leaf first, since its parents are there except for the very first container. False when it was there already.
bool make_folder(const Hierarchy& hierarchy, const std::string& path) {
  const std::string leaf = cat(hierarchy.path, path);
  if (!hierarchy.v2 && !has_cpuset(hierarchy)) {
    if (::mkdir(leaf.c_str(), 0755) == 0) return true;
    if (errno == EEXIST) return false;
  }
  std::string folder = hierarchy.path;
  bool made = true;
  for (const std::string& step : split(path, '/')) {
    if (step.empty()) continue;
    if (step == "." || step == "..") throw invalid(cat("cgroup path ", quoted(path)));
    const std::string parent = folder;
    folder = cat(parent, '/', step);
    if (hierarchy.v2) enable_controllers(parent);
    made = make_level(hierarchy, parent, folder);
  }
  return made;
}

std::vector<std::string> subfolders(const std::string& folder) {
  std::vector<std::string> out;
  for (const std::string& name : sys::list_dir(folder)) {
    struct stat info{};
    const std::string path = cat(folder, '/', name);
    if (::lstat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) out.push_back(path);
  }
  return out;
}

/// 0 or errno of the folder itself.
int remove_folder(const std::string& folder) {
  if (::rmdir(folder.c_str()) == 0 || errno == ENOENT) return 0;
  if (errno != EBUSY && errno != ENOTEMPTY) return errno;
  for (const std::string& below : subfolders(folder)) remove_folder(below);  // made by a nested engine
  return ::rmdir(folder.c_str()) == 0 || errno == ENOENT ? 0 : errno;
}

void collect_pids(const std::string& folder, std::vector<pid_t>& out) {
  for (const std::string& line : split(get(cat(folder, "/cgroup.procs")), '\n')) {
    if (const auto pid = parse_number<pid_t>(line)) out.push_back(*pid);
  }
  for (const std::string& below : subfolders(folder)) collect_pids(below, out);
}

std::optional<std::uint64_t> field_of(const std::string& text, std::string_view name) {
  for (const std::string& line : split(text, '\n')) {
    if (line.starts_with(name) && line.size() > name.size() && line[name.size()] == ' ') {
      return parse_number<std::uint64_t>(std::string_view{line}.substr(name.size() + 1));
    }
  }
  return std::nullopt;
}

Error refused(int error_number, const Setting& setting) {
  return errno_error(error_number, cat("failed to write ", quoted(setting.value), " to"), setting.file);
}

}  // namespace

std::string Cgroup::folder(std::string_view controller) const {
  if (tree_.unified()) return cat(tree_.hierarchies.front().path, path_);
  const Hierarchy* hierarchy = tree_.find(controller);
  return hierarchy == nullptr ? "" : cat(hierarchy->path, path_);
}

void Cgroup::create() const {
  for (const Hierarchy& hierarchy : tree_.hierarchies) {
    // Beside v1 hierarchies the v2 tree has no controllers; it would only be one folder more.
    if (hierarchy.v2 && !tree_.unified()) continue;
    // One that a killed monitor left behind may be frozen still, and would hold the new container as it enters.
    if (!make_folder(hierarchy, path_) && cat(hierarchy.path, path_) == folder("freezer")) thaw_if_there();
  }
}

void Cgroup::set(const oci::Resources& resources) const {
  if (tree_.hierarchies.empty()) return;
  const std::vector<Setting> settings = tree_.unified() ? settings_v2(resources) : settings_v1(resources);
  std::optional<Setting> retry;  // raising both: memory can't go above memsw; lowering both: memsw not below memory
  for (const Setting& setting : settings) {
    const std::string place = folder(setting.controller);
    if (place.empty()) continue;  // the daemon warned of it
    const int error = put(cat(place, '/', setting.file), setting.value);
    if (error == 0) {
      if (retry) {
        if (const int again = put(cat(place, '/', retry->file), retry->value); again != 0) throw refused(again, *retry);
        retry.reset();
      }
    } else if (setting.file == "memory.limit_in_bytes" && error == EINVAL && resources.memory->swap) {
      retry = setting;
    } else if (!(setting.optional && (error == ENOENT || error == EOPNOTSUPP || error == EACCES))) {
      throw refused(error, setting);
    }
  }
  if (retry) throw refused(EINVAL, *retry);
  if (tree_.unified() && !resources.devices.empty()) {
    const sys::UniqueFd group = sys::open_file(folder(""), O_RDONLY | O_DIRECTORY);
    attach_device_program(group, resources.devices);
  }
}

void Cgroup::attach(pid_t pid) const { attach("/cgroup.procs", cat(pid)); }

void Cgroup::attach_self() const { attach(tree_.unified() ? "/cgroup.procs" : "/tasks", "0"); }

void Cgroup::attach(std::string_view file, const std::string& number) const {
  for (const Hierarchy& hierarchy : tree_.hierarchies) {
    if (hierarchy.v2 && !tree_.unified()) continue;
    const std::string path = cat(hierarchy.path, path_, file);
    // A group that is gone was taken down with its container: made anew it would stay.
    if (const int error = put(path, number); error != 0) throw errno_error(error, "write", path);
  }
}

std::optional<sys::UniqueFd> Cgroup::open_v2() const {
  if (!tree_.unified()) return std::nullopt;
  return sys::open_file(folder(""), O_RDONLY | O_DIRECTORY);
}

void Cgroup::freeze() const {
  const std::string place = folder("freezer");
  if (place.empty()) throw not_implemented("this machine has no freezer cgroup");
  const bool v2 = tree_.unified();
  for (int attempt = 0; attempt < 1000; ++attempt) {
    // v1 may stay FREEZING when a process forks meanwhile; writing again is the kernel's own advice.
    const int error = v2 ? put(cat(place, "/cgroup.freeze"), "1") : put(cat(place, "/freezer.state"), "FROZEN");
    if (error != 0) throw errno_error(error, "freeze", place);
    if (frozen()) return;
    pause_ms(10);
  }
  thaw();
  throw Error{ErrorKind::unavailable, "unable to freeze: a process does not stop"};
}

void Cgroup::thaw() const {
  const std::string place = folder("freezer");
  if (place.empty()) throw not_implemented("this machine has no freezer cgroup");
  const int error =
      tree_.unified() ? put(cat(place, "/cgroup.freeze"), "0") : put(cat(place, "/freezer.state"), "THAWED");
  if (error != 0) throw errno_error(error, "thaw", place);
}

void Cgroup::thaw_if_there() const {
  const std::string place = folder("freezer");
  if (place.empty()) return;
  tree_.unified() ? put(cat(place, "/cgroup.freeze"), "0") : put(cat(place, "/freezer.state"), "THAWED");
}

bool Cgroup::frozen() const {
  const std::string place = folder("freezer");
  if (place.empty()) return false;
  if (tree_.unified()) return field_of(get(cat(place, "/cgroup.events")), "frozen").value_or(0) == 1;
  return trim(get(cat(place, "/freezer.state"))) == "FROZEN";
}

std::vector<pid_t> Cgroup::pids() const {
  std::vector<pid_t> out;
  for (const Hierarchy& hierarchy : tree_.hierarchies) {
    if (hierarchy.v2 && !tree_.unified()) continue;
    collect_pids(cat(hierarchy.path, path_), out);
    break;  // the same processes are in every hierarchy
  }
  return out;
}

void Cgroup::signal_all(int signal) const {
  if (signal == SIGKILL && tree_.unified() && put(cat(folder(""), "/cgroup.kill"), "1") == 0) return;
  for (int round = 0; round < 10; ++round) {  // what was forked between reading and killing
    const std::vector<pid_t> left = pids();
    for (const pid_t pid : left) ::kill(pid, signal);
    if (left.empty() || signal != SIGKILL) return;
    pause_ms(2);
  }
}

bool Cgroup::remove(int patience_ms) const {
  bool gone = true;
  for (const Hierarchy& hierarchy : tree_.hierarchies) {
    const std::string place = cat(hierarchy.path, path_);
    int error = remove_folder(place);
    for (; error == EBUSY && patience_ms > 0; patience_ms -= 5) {
      pause_ms(5);
      error = remove_folder(place);
    }
    gone = gone && error == 0;
  }
  return gone;
}

std::uint64_t Cgroup::oom_kills() const {
  const std::string place = folder("memory");
  if (place.empty()) return 0;
  const std::string file = tree_.unified() ? "/memory.events" : "/memory.oom_control";
  return field_of(get(cat(place, file)), "oom_kill").value_or(0);
}

bool Cgroup::waits_for_memory() const {
  const std::string place = folder("memory");
  if (place.empty() || tree_.unified()) return false;
  const std::string state = get(cat(place, "/memory.oom_control"));
  return field_of(state, "oom_kill_disable").value_or(0) == 1 && field_of(state, "under_oom").value_or(0) == 1;
}

}  // namespace berth::runtime::cgroups
