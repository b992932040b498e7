#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "base/core/binary.h"
#include "base/core/text.h"
#include "base/core/time.h"
#include "base/sys/file.h"
#include "runtime/shim/monitor.h"

namespace berth::runtime::shim {
namespace {

std::int64_t now_ns() { return now().time_since_epoch().count(); }

}  // namespace

void set_oom_score(pid_t pid, std::int64_t score) {
  try {
    sys::write_control(sys::FdRef::cwd(), cat("/proc/", pid, "/oom_score_adj"), cat(score));
  } catch (const Error& error) {
    if (error.error_number() != EACCES && error.error_number() != EPERM) throw;
  }
}

/// The same for an exec, whose process is the monitor's child and would go on with its score.
void Monitor::give_oom_score(pid_t pid, std::int64_t score) {
  if (!own_oom_score_) {
    const std::optional<std::string> own = sys::read_file_if_exists("/proc/self/oom_score_adj", 32);
    own_oom_score_ = own ? parse_number<std::int64_t>(trim(*own)).value_or(0) : 0;
  }
  if (score != *own_oom_score_) set_oom_score(pid, score);
}

void Monitor::start() {
  check_launcher();  // the next daemon may have cleared the run folder away already
  run_dir_ = request_->run_dir;
  if (request_->shim_oom_score_adj) set_oom_score(::getpid(), *request_->shim_oom_score_adj);
  sys::write_file(cat(run_dir_, "/shim.pid"), cat(::getpid(), '\n'));
  open_log();
  plan_ = namespaces::plan(request_->spec.linux_.namespaces, request_->wait_for_network);
  make_container();
  if (!request_->restore) fork_container();
  prepare_container();
}

/// A daemon that was killed in the middle of a start has told nobody of it. The next one takes it back where it finds a
/// run folder; it can't find one that is only about to be made.
void Monitor::check_launcher() const {
  if (control_.abandoned()) throw Error{ErrorKind::cancelled, "the daemon has ended"};
}

void Monitor::make_container() {
  const bool terminal = request_->spec.process.terminal;
  container_ = std::make_unique<ChildProcess>(
      loop_, memory_, log_.get(), ProcessIo::Options{terminal, request_->open_stdin, request_->stdin_once},
      ChildProcess::Handlers{[this] { on_started(); }, [this](const init::Failure& failure) { on_failed(failure); }});
  cgroup_.emplace(cgroups::find_tree(), request_->spec.linux_.cgroups_path);
  if (!cgroup_->path().empty() && cgroup_->tree().unified()) cgroup_->create();
}

void Monitor::fork_container() {
  sys::UniqueFd sync = container_->make_sync();
  init::StandardStreams streams = container_->io().make_pipes();
  std::optional<sys::UniqueFd> group;
  if (!cgroup_->path().empty()) group = cgroup_->open_v2();
  for (const namespaces::Plan::Join& join : plan_.joins) {
    if (join.flag != CLONE_NEWPID) continue;  // only a child can be in another pid namespace
    const sys::UniqueFd space = sys::open_file(join.path, O_RDONLY);
    namespaces::enter(space, CLONE_NEWPID, join.path);
    joined_pid_namespace_ = true;
  }
  namespaces::Forked child = namespaces::fork_into(plan_.clone_flags, group ? group->get() : -1);
  if (child.pid == 0) be_container(std::move(sync), std::move(streams));
  container_->forked(std::move(child));
}

void Monitor::be_container(sys::UniqueFd sync, init::StandardStreams streams) {
  init::run_container(*request_, plan_, child_attaches() ? &*cgroup_ : nullptr, std::move(sync), std::move(streams));
}

/// On v1 the child enters its groups itself, which is quicker (Cgroup::attach_self); but root of another user namespace
/// may not write there. On v2 it is born in its group.
bool Monitor::child_attaches() const {
  return !cgroup_->path().empty() && !cgroup_->tree().unified() && !plan_.separate(CLONE_NEWUSER);
}

/// What the monitor does while the child mounts: on the second CPU it costs no time.
void Monitor::prepare_container() {
  const oci::Spec& spec = request_->spec;
  init::Failure failure{Stage::setup, 0, ""};
  try {
    if (request_->restore) restore_container();
    ChildProcess& child = restoring_ ? restoring_->process() : *container_;
    if (!restoring_ && plan_.makes(CLONE_NEWUSER)) {
      namespaces::write_id_maps(child.pid(), spec.linux_.uid_mappings, spec.linux_.gid_mappings);
      init::send(child.sync(), init::Word::mapped);
    }
    failure.stage = Stage::cgroup;
    set_limits();
    if (!cgroup_->path().empty() && !cgroup_->tree().unified() && !child_attaches()) cgroup_->attach(child.pid());
    failure.stage = Stage::setup;
    started_at_ = now_ns();
    if (!restoring_) {
      if (spec.process.oom_score_adj || request_->shim_oom_score_adj) {
        set_oom_score(child.pid(), spec.process.oom_score_adj.value_or(0));
      }
      write_init_record();
    }
    failure.stage = Stage::logging;
    if (log_) log_->await_ready();
    failure.stage = Stage::setup;
    control_.handle_queued();  // clients that attached before the start miss nothing
    check_launcher();
    if (!over_) init::send(child.sync(), init::Word::go);
  } catch (const Error& error) {
    // A broken pair: the child has failed first, and says why.
    if (error.error_number() == EPIPE || error.error_number() == ECONNRESET || error.error_number() == ESRCH) return;
    failure.error_number = error.error_number();
    failure.message = error.text();
    on_failed(failure);
  }
}

void Monitor::set_limits() {
  if (cgroup_->path().empty()) return;
  const std::optional<oci::Resources>& resources = request_->spec.linux_.resources;
  if (!cgroup_->tree().unified()) cgroup_->create();
  if (!resources) return;
  cgroup_->set(*resources);
  if (!resources->memory || !resources->memory->limit) return;
  watch_oom();
}

void Monitor::write_init_record() {
  const pid_t pid = container_->pid();
  start_ticks_ = sys::start_ticks(pid).value_or(0);
  const InitRecord record{.shim_pid = ::getpid(),
                          .pid = pid,
                          .shim_start_ticks = sys::start_ticks(::getpid()).value_or(0),
                          .start_ticks = start_ticks_,
                          .started_at = started_at_};
  sys::write_file(cat(run_dir_, "/init.new"), binary::encode(record), 0600);
  sys::rename(cat(run_dir_, "/init.new"), cat(run_dir_, "/init"));
}

void Monitor::on_started() {
  request_.reset();
  Event event{
      .kind = EventKind::started, .pid = container_->pid(), .start_ticks = start_ticks_, .started_at = started_at_};
  control_.broadcast(event, container_->pidfd().get());
}

void Monitor::on_failed(const init::Failure& failure) {
  if (over_) return;
  over_ = left_ = true;
  undo_start();
  control_.broadcast({.kind = EventKind::failed,
                      .stage = failure.stage,
                      .error_number = failure.error_number,
                      .message = failure.message});
  control_.close_all();
}

void Monitor::undo_start() {
  if (restoring_) undo_restore();
  if (container_ && container_->pid() > 0) {
    sys::signal_pidfd(container_->pidfd(), SIGKILL);
    if (cgroup_) cgroup_->thaw_if_there();
    sys::retry_on_eintr([&] { return ::waitpid(container_->pid(), nullptr, 0); });
  }
  if (container_) {
    container_->io().drain();
    container_->io().release_clients();
  }
  if (cgroup_ && !cgroup_->path().empty()) {
    if (!plan_.makes(CLONE_NEWPID)) cgroup_->signal_all(SIGKILL);
    cgroup_->remove();
  }
  if (log_) log_->give_up();
  if (run_dir_.empty()) return;  // given up before anything was made there
  for (const char* name : {"/init", "/init.new", "/shim.pid"}) sys::remove_file(cat(run_dir_, name));
}

}  // namespace berth::runtime::shim
