#include "runtime/init/container.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "base/core/text.h"
#include "base/sys/file.h"
#include "runtime/init/process.h"
#include "runtime/init/steps.h"
#include "runtime/mounts/mount_api.h"
#include "runtime/mounts/mounter.h"
#include "runtime/mounts/options.h"
#include "runtime/mounts/root.h"

namespace berth::runtime::init {
namespace {

constexpr const char* kInitPath = "/sbin/docker-init";

bool is_null_device(int fd) {
  struct stat info{};
  return ::fstat(fd, &info) == 0 && S_ISCHR(info.st_mode) && info.st_rdev == makedev(1, 3);
}

/// Standard streams that are the host's /dev/null become the container's: a checkpoint can't hold a file that no mount
/// of the container has.
void use_own_null_device() {
  sys::UniqueFd own;
  for (int fd = 0; fd < 3; ++fd) {
    if (!is_null_device(fd)) continue;
    if (!own) own = sys::UniqueFd{::open("/dev/null", O_RDWR | O_NOFOLLOW | O_CLOEXEC)};
    if (!own || !is_null_device(own.get())) return;  // a container with a /dev of its own
    if (::dup2(own.get(), fd) < 0) throw errno_error("dup2", "standard stream");
  }
}

void place_streams(StandardStreams streams) {
  sys::UniqueFd null;
  if (!streams.input || !streams.output || !streams.error) null = sys::open_file("/dev/null", O_RDWR);
  const sys::UniqueFd* ends[] = {&streams.input, &streams.output, &streams.error};
  for (int fd = 0; fd < 3; ++fd) {
    const int source = *ends[fd] ? ends[fd]->get() : null.get();
    if (::dup2(source, fd) < 0) throw errno_error("dup2", "standard stream");
  }
}

/// The steps between clone3 and execve that only a new container has.
class Setup {
 public:
  Setup(const shim::LaunchRequest& request, const namespaces::Plan& plan, const cgroups::Cgroup* group, ChildSync& sync,
        Progress& progress)
      : request_(request), spec_(request.spec), plan_(plan), group_(group), sync_(sync), progress_(progress) {}

  void run() {
    join_namespaces();
    become_root_of_user_namespace();
    mount_root();
    mount_tree();
    enter_network();
    enter_cgroup();
    progress_.stage = shim::Stage::setup;
    write_sysctls(spec_.linux_.sysctl);
    protect_tree();
    pivot();
    name_host();
  }

 private:
  void join_namespaces() {
    for (const namespaces::Plan::Join& join : plan_.joins) {
      if (join.flag == CLONE_NEWPID) continue;  // the monitor did, before it forked
      const sys::UniqueFd space = sys::open_file(join.path, O_RDONLY);
      namespaces::enter(space, join.flag, join.path);
    }
  }

  bool in_user_namespace() const { return plan_.separate(CLONE_NEWUSER); }

  void become_root_of_user_namespace() {
    if (!in_user_namespace()) return;
    if (plan_.makes(CLONE_NEWUSER)) sync_.wait_for(Word::mapped);
    if (::setresgid(0, 0, 0) != 0) throw errno_error("setgid", "0");
    if (::setresuid(0, 0, 0) != 0) throw errno_error("setuid", "0");
  }

  void mount_root() {
    progress_.stage = shim::Stage::rootfs;
    if (!plan_.separate(CLONE_NEWNS)) throw invalid("a container needs a mount namespace");
    if (::mount(nullptr, "/", nullptr, MS_REC | propagation(), nullptr) != 0) throw errno_error("mount", "/");
    make_parents_private();
    root_mount_ = mounts::open_root(request_.root, in_user_namespace());
    mounts::attach_over_root(root_mount_);
  }

  /// Of the host's mounts: what the container shall see of later ones, and whether they shall see the container's.
  unsigned long propagation() const {
    const std::string& wanted = spec_.linux_.rootfs_propagation;
    if (wanted.empty()) return MS_PRIVATE;
    return mounts::parse_options({wanted}).propagation;
  }

  /// What is mounted on a shared mount appears in the host, too, and pivot_root(2) refuses it.
  void make_parents_private() {
    if (propagation() != MS_SHARED) return;
    for (const std::string& place : {std::string{"/"}, request_.root.upper_dir}) mounts::make_mount_private(place);
  }

  void mount_tree() {
    progress_.stage = shim::Stage::mount;
    mounts::Mounter mounter{root_mount_,
                            spec_.linux_,
                            in_user_namespace(),
                            {.network = [this] { enter_network(); }, .cgroup = [this] { enter_cgroup(); }}};
    mark_as_docker();
    mounter.mount_all(spec_.mounts);
    mounter.fill_dev(spec_.mounts);
    if (!request_.init_path.empty()) {
      mounter.mount_all({{.destination = kInitPath,
                          .type = "bind",
                          .source = request_.init_path,
                          .options = {"bind", "ro", "rprivate"}}});
    }
  }

  /// What programs look for in every Docker container: /.dockerenv (am I in one?) and /etc/mtab (what is mounted?).
  /// An image may have its own, and a root that can't be written goes without.
  void mark_as_docker() {
    const sys::UniqueFd root = sys::open_file(mounts::fd_path(root_mount_), O_PATH | O_DIRECTORY);
    constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    const sys::UniqueFd marker{::openat(root.get(), ".dockerenv", kFlags, 0755)};
    try {
      const sys::UniqueFd etc = sys::open_in_root(root, "etc", O_PATH | O_DIRECTORY);
      [[maybe_unused]] const int linked = ::symlinkat("/proc/mounts", etc.get(), "mtab");
    } catch (const Error&) {
      // An image without /etc.
    }
  }

  void enter_network() {
    if (!request_.wait_for_network || in_network_) return;
    in_network_ = true;
    const shim::Stage before = std::exchange(progress_.stage, shim::Stage::network);
    const sys::UniqueFd space = sync_.take_network();
    namespaces::enter(space, CLONE_NEWNET, "network namespace");
    progress_.stage = before;
  }

  void enter_cgroup() {
    if (in_cgroup_) return;
    in_cgroup_ = true;
    const shim::Stage before = std::exchange(progress_.stage, shim::Stage::cgroup);
    sync_.wait_for(Word::go);
    if (group_ != nullptr) group_->attach_self();
    if (plan_.new_cgroup && ::unshare(CLONE_NEWCGROUP) != 0) throw errno_error("unshare", "cgroup namespace");
    progress_.stage = before;
  }

  void protect_tree() {
    progress_.stage = shim::Stage::mount;
    const sys::UniqueFd root = sys::open_file(mounts::fd_path(root_mount_), O_PATH | O_DIRECTORY);
    mounts::protect_paths(root, spec_.linux_.readonly_paths);
    mounts::mask_paths(root, spec_.linux_.masked_paths);
  }

  void pivot() {
    progress_.stage = shim::Stage::rootfs;
    mounts::pivot_into(root_mount_, true, propagation() == MS_SHARED);
    use_own_null_device();
    // The terminal's /dev/console is a mount as well, so the root closes last.
    if (spec_.process.terminal) open_terminal(spec_.process, sync_, true);
    progress_.stage = shim::Stage::working_dir;
    make_working_dir(spec_.process.cwd);  // as long as the root can be written
    progress_.stage = shim::Stage::rootfs;
    if (spec_.root.readonly) mounts::change_attributes(root_mount_, kReadOnly, 0, 0, false);
    if (const auto& wanted = spec_.linux_.rootfs_propagation; !wanted.empty()) {
      mounts::change_attributes(root_mount_, 0, 0, propagation(),
                                mounts::parse_options({wanted}).recursive_propagation);
    }
    root_mount_.reset();
  }

  void name_host() {
    progress_.stage = shim::Stage::setup;
    if (!plan_.makes(CLONE_NEWUTS)) return;
    if (!spec_.hostname.empty() && ::sethostname(spec_.hostname.c_str(), spec_.hostname.size()) != 0) {
      throw errno_error("sethostname", spec_.hostname);
    }
    if (!spec_.domainname.empty() && ::setdomainname(spec_.domainname.c_str(), spec_.domainname.size()) != 0) {
      throw errno_error("setdomainname", spec_.domainname);
    }
  }

  static constexpr std::uint64_t kReadOnly = 1;  // MOUNT_ATTR_RDONLY

  const shim::LaunchRequest& request_;
  const oci::Spec& spec_;
  const namespaces::Plan& plan_;
  const cgroups::Cgroup* group_;
  ChildSync& sync_;
  Progress& progress_;
  sys::UniqueFd root_mount_;
  bool in_network_ = false, in_cgroup_ = false;
};

oci::Process with_init(const shim::LaunchRequest& request) {
  oci::Process process = request.spec.process;
  if (!request.init_path.empty()) process.args.insert(process.args.begin(), {kInitPath, "--"});
  return process;
}

}  // namespace

void run_container(const shim::LaunchRequest& request, const namespaces::Plan& plan, const cgroups::Cgroup* group,
                   sys::UniqueFd socket, StandardStreams streams) {
  run_steps(std::move(socket), [&](ChildSync& sync, Progress& progress) {
    close_all_but({sync.socket().get(), streams.input.get(), streams.output.get(), streams.error.get()});
    place_streams(std::move(streams));
    Setup{request, plan, group, sync, progress}.run();
    ::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
    become(with_init(request), request.seccomp_program, sync, progress);
  });
}

void run_exec(const shim::Exec& exec, sys::FdRef init, std::uint64_t flags, const cgroups::Cgroup* group,
              sys::UniqueFd socket, StandardStreams streams) {
  run_steps(std::move(socket), [&](ChildSync& sync, Progress& progress) {
    close_all_but({sync.socket().get(), init.get(), streams.input.get(), streams.output.get(), streams.error.get()});
    place_streams(std::move(streams));
    sync.wait_for(Word::go);
    if (group != nullptr) group->attach_self();
    namespaces::enter(init, flags, "namespaces of the container");
    ::close(init.get());
    if ((flags & CLONE_NEWUSER) != 0) {
      if (::setresgid(0, 0, 0) != 0 || ::setresuid(0, 0, 0) != 0) throw errno_error("setuid", "0");
    }
    if (exec.process.terminal) open_terminal(exec.process, sync, false);
    ::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
    become(exec.process, exec.seccomp_program, sync, progress);
  });
}

}  // namespace berth::runtime::init
