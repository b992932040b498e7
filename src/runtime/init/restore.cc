#include "runtime/init/restore.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/core/text.h"
#include "base/sys/file.h"
#include "runtime/criu/dump.h"
#include "runtime/init/steps.h"
#include "runtime/mounts/mount_api.h"
#include "runtime/mounts/root.h"

namespace berth::runtime::init {
namespace {

/// Out of the way of the numbers that CRIU's descriptors get.
sys::UniqueFd move_up(sys::UniqueFd fd) {
  if (!fd) return fd;
  constexpr int kAbove = 32;
  sys::UniqueFd moved{::fcntl(fd.get(), F_DUPFD_CLOEXEC, kAbove)};
  if (!moved) throw errno_error("fcntl F_DUPFD_CLOEXEC", "");
  return moved;
}

/// Without close-on-exec.
void place(const sys::UniqueFd& fd, int number) {
  if (fd && ::dup2(fd.get(), number) < 0) throw errno_error("dup2", "descriptor for criu");
}

bool is_below(const std::string& path, const std::vector<oci::Mount>& mounts) {
  return std::ranges::any_of(mounts, [&](const oci::Mount& mount) {
    return path != mount.destination && path.starts_with(cat(mount.destination == "/" ? "" : mount.destination, "/"));
  });
}

bool is_file(const oci::Mount& mount) {
  const std::optional<struct stat> info =
      mount.source.starts_with('/') ? sys::stat_if_exists(mount.source) : std::nullopt;
  return info && !S_ISDIR(info->st_mode);
}

/// A container that never ran lacks the places of its mounts. (Those within other mounts are part of the images.)
void make_mountpoints(sys::FdRef root, const shim::LaunchRequest& request) {
  std::vector<oci::Mount> mounts = request.spec.mounts;
  if (!request.init_path.empty()) mounts.push_back({.destination = "/sbin/docker-init", .source = request.init_path});
  for (const oci::Mount& mount : mounts) {
    if (is_below(mount.destination, mounts) || sys::open_in_root_if_exists(root, mount.destination, O_PATH)) continue;
    if (!is_file(mount)) {
      sys::make_dirs_in_root(root, mount.destination, 0755);
      continue;
    }
    sys::make_dirs_in_root(root, mount.destination.substr(0, mount.destination.rfind('/') + 1), 0755);
    sys::open_in_root(root, mount.destination, O_CREAT | O_RDONLY | O_NONBLOCK, 0644);
  }
}

void mount_root(const shim::LaunchRequest& request) {
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) throw errno_error("mount", "/");
  const std::string path = restore_root(request);
  sys::ensure_dir(path, 0700);
  const sys::UniqueFd mounted = mounts::open_root(request.root, false);
  const sys::UniqueFd place = sys::open_file(path, O_PATH | O_DIRECTORY);
  mounts::attach(mounted, place);
  if (::chdir("/") != 0) throw errno_error("chdir", "/");
  const sys::UniqueFd root = sys::open_file(path, O_PATH | O_DIRECTORY);
  make_mountpoints(root, request);
}

sys::UniqueFd find_network(const shim::LaunchRequest& request, const namespaces::Plan& plan, ChildSync& sync) {
  if (request.wait_for_network) return sync.take_network();
  for (const namespaces::Plan::Join& join : plan.joins) {
    if (join.flag == CLONE_NEWNET) return sys::open_file(join.path, O_RDONLY);
  }
  return {};
}

/// The network namespace is new, while all others come with their sysctls from the images.
void set_network_sysctls(const std::map<std::string, std::string>& all, const sys::UniqueFd& network) {
  std::map<std::string, std::string> sysctls;
  for (const auto& [name, value] : all) {
    if (name.starts_with("net.") || name.starts_with("net/")) sysctls[name] = value;
  }
  if (sysctls.empty() || !network) return;
  const sys::UniqueFd own = sys::open_file("/proc/self/ns/net", O_RDONLY);
  namespaces::enter(network, CLONE_NEWNET, "network namespace");
  write_sysctls(sysctls);
  namespaces::enter(own, CLONE_NEWNET, "network namespace of the host");
}

[[noreturn]] void become_criu(const std::string& program, ChildSync& sync) {
  std::string arguments[] = {"criu", "swrk", cat(RestoreFds::kRpc)};
  std::vector<std::string> variables = criu::environment();
  std::vector<char*> argv, envp;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  for (std::string& variable : variables) envp.push_back(variable.data());
  argv.push_back(nullptr);
  envp.push_back(nullptr);
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) throw errno_error("prctl PR_SET_PDEATHSIG", "");
  send(sync.socket(), Word::executing);
  ::execve(program.c_str(), argv.data(), envp.data());
  throw errno_error("exec", program);
}

}  // namespace

std::string restore_root(const shim::LaunchRequest& request) { return request.run_dir + "/root"; }

void run_restore(const shim::LaunchRequest& request, const namespaces::Plan& plan, const cgroups::Cgroup* group,
                 sys::UniqueFd socket, sys::UniqueFd rpc, StandardStreams streams) {
  run_steps(move_up(std::move(socket)), [&](ChildSync& sync, Progress& progress) {
    rpc = move_up(std::move(rpc));
    for (sys::UniqueFd* end : {&streams.input, &streams.output, &streams.error}) *end = move_up(std::move(*end));
    close_all_but({sync.socket().get(), rpc.get(), streams.input.get(), streams.output.get(), streams.error.get()});
    const sys::UniqueFd null = move_up(sys::open_file("/dev/null", O_RDWR));
    for (int number = 0; number < 3; ++number) place(null, number);

    progress.stage = shim::Stage::rootfs;
    mount_root(request);
    progress.stage = shim::Stage::network;
    const sys::UniqueFd network = move_up(find_network(request, plan, sync));
    set_network_sysctls(request.spec.linux_.sysctl, network);
    progress.stage = shim::Stage::cgroup;
    sync.wait_for(Word::go);
    if (group != nullptr) group->attach_self();
    if (plan.new_cgroup && ::unshare(CLONE_NEWCGROUP) != 0) throw errno_error("unshare", "cgroup namespace");

    progress.stage = shim::Stage::restore;
    place(rpc, RestoreFds::kRpc);
    place(streams.input, RestoreFds::kInput);
    place(streams.output, RestoreFds::kOutput);
    place(streams.error, RestoreFds::kError);
    place(network, RestoreFds::kNetwork);
    become_criu(request.restore->program, sync);
  });
}

}  // namespace berth::runtime::init
