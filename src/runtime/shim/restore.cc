// A start from a checkpoint: CRIU makes the container's processes instead of us.
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "base/core/text.h"
#include "base/sys/file.h"
#include "runtime/criu/images.h"
#include "runtime/init/restore.h"
#include "runtime/mounts/mount_api.h"
#include "runtime/shim/monitor.h"

namespace berth::runtime::shim {
namespace {

constexpr const char* kLog = "restore.log";

/// Where each external mount of the images comes from in this start.
std::vector<std::string> external_mounts(const LaunchRequest& request, const criu::Descriptor& descriptor,
                                         const cgroups::Tree& tree) {
  const std::vector<criu::MountSource> sources = criu::mount_sources(request.spec, request.init_path, tree);
  std::vector<std::string> out;
  for (const criu::ExternalMount& mount : descriptor.mounts) {
    const auto source = std::ranges::find(sources, mount.destination, &criu::MountSource::destination);
    if (source == sources.end() || source->source.empty()) {
      throw invalid(cat("the checkpoint has a mount at ", mount.destination, ", the container has none"));
    }
    out.push_back(cat("mnt[", mount.mountpoint, "]:", source->source, mount.below));
  }
  return out;
}

std::vector<criu::InheritedFd> inherited_fds(const criu::Descriptor& descriptor, const ProcessIo::Pipes& pipes) {
  using Fds = init::RestoreFds;
  std::vector<criu::InheritedFd> out;
  const auto add_pipe = [&](std::uint64_t old, std::uint64_t now, int number) {
    if (old != 0 && now != 0) out.push_back({criu::pipe_key(old), number});
  };
  add_pipe(descriptor.input_pipe, pipes.input, Fds::kInput);
  add_pipe(descriptor.output_pipe, pipes.output, Fds::kOutput);
  add_pipe(descriptor.error_pipe, pipes.error, Fds::kError);
  if (descriptor.network) out.push_back({criu::kNetworkKey, Fds::kNetwork});
  return out;
}

}  // namespace

void Monitor::restore_container() {
  const criu::Descriptor descriptor = criu::read_descriptor(request_->restore->images_dir);
  if (descriptor.terminal != request_->spec.process.terminal) {
    throw invalid("the checkpoint and the container don't agree about a terminal");
  }
  if (descriptor.network != plan_.has_network) {
    throw invalid("the checkpoint and the container don't agree about a network of their own");
  }
  init::StandardStreams streams = container_->io().make_pipes();
  restoring_ = std::make_unique<Restoring>(
      loop_, memory_, cat(run_dir_, "/", kLog),
      Restoring::Handlers{
          .made = [this](pid_t pid) { on_restored_process(pid); },
          .terminal = [this](sys::UniqueFd master) { container_->io().set_terminal(std::move(master)); },
          .resuming =
              [this] {
                if (request_->spec.root.readonly) protect_restored_root();
              },
          .done = [this] { on_restored(); },
          .failed = [this](const init::Failure& failure) { on_failed(failure); }});
  sys::UniqueFd sync = restoring_->process().make_sync(), rpc = restoring_->make_socket();
  std::optional<sys::UniqueFd> group;
  if (!cgroup_->path().empty()) group = cgroup_->open_v2();
  namespaces::Forked child = namespaces::fork_into(CLONE_NEWNS, group ? group->get() : -1);
  if (child.pid == 0) {
    init::run_restore(*request_, plan_, child_attaches() ? &*cgroup_ : nullptr, std::move(sync), std::move(rpc),
                      std::move(streams));
  }
  restoring_->process().forked(std::move(child));
  restore_images_ = sys::open_file(request_->restore->images_dir, O_RDONLY | O_DIRECTORY);
  restore_work_ = sys::open_file(run_dir_, O_RDONLY | O_DIRECTORY);
  restoring_->send(criu::restore_request({.images_dir = restore_images_.get(),
                                          .work_dir = restore_work_.get(),
                                          .log_file = kLog,
                                          .terminal = descriptor.terminal,
                                          .root = init::restore_root(*request_),
                                          .external = external_mounts(*request_, descriptor, cgroup_->tree()),
                                          .inherited = inherited_fds(descriptor, container_->io().pipes())}));
}

/// The record is there before the process runs: whoever comes after a killed monitor finds it.
void Monitor::on_restored_process(pid_t pid) {
  if (container_->pid() == pid) return;
  container_->adopt({.pid = pid, .pidfd = sys::open_pidfd(pid)});
  write_init_record();
}

/// CRIU doesn't know what the root itself was mounted with, and needs to write there. A child does it, since one has to
/// be in a mount namespace to change it.
void Monitor::protect_restored_root() {
  const std::string space = cat("/proc/", container_->pid(), "/ns/mnt");
  const namespaces::Forked child = namespaces::fork_into(0, -1);
  if (child.pid == 0) {
    try {
      constexpr std::uint64_t kReadOnly = 1;  // MOUNT_ATTR_RDONLY
      const sys::UniqueFd mounts_of_container = sys::open_file(space, O_RDONLY);
      namespaces::enter(mounts_of_container, CLONE_NEWNS, space);
      const sys::UniqueFd root = sys::open_file("/", O_PATH | O_DIRECTORY);
      mounts::change_attributes(root, kReadOnly, 0, 0, false);
      ::_exit(0);
    } catch (const Error&) {
      ::_exit(1);
    }
  }
  int status = 0;
  sys::retry_on_eintr([&] { return ::waitpid(child.pid, &status, 0); });
  if (status != 0) throw system_error("the root file system can't be made read-only again");
}

void Monitor::on_restored() {
  restore_images_.reset();
  restore_work_.reset();
  container_->adopted_runs();
  on_started();
  // It may have ended in the meantime.
  if (const std::optional<int> status = std::exchange(early_end_, std::nullopt)) on_container_end(*status);
}

/// What CRIU has made so far are our children, and none of them is known by name.
void Monitor::undo_restore() {
  if (restoring_->process().pid() > 0) sys::signal_pidfd(restoring_->process().pidfd(), SIGKILL);
  if (container_->pid() > 0) sys::signal_pidfd(container_->pidfd(), SIGKILL);
  if (!cgroup_->path().empty()) cgroup_->signal_all(SIGKILL);
  for (int patience = 0; patience < 500; ++patience) {
    const pid_t pid = ::waitpid(-1, nullptr, WNOHANG);
    if (pid < 0) return;  // none is left
    const timespec pause{0, 10'000'000};
    if (pid == 0) ::nanosleep(&pause, nullptr);
  }
}

}  // namespace berth::runtime::shim
