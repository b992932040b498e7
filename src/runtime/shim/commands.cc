#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include "base/core/text.h"
#include "base/sys/process.h"
#include "runtime/shim/monitor.h"

namespace berth::runtime::shim {
namespace {

sys::UniqueFd take_fd(std::vector<sys::UniqueFd>& fds, std::string_view what) {
  if (fds.empty()) throw invalid(cat(what, " needs a descriptor"));
  return std::move(fds.front());
}

/// Long enough for any start of a probe; its own time begins when it runs.
constexpr std::int64_t kProbeStartPatience = 30'000'000'000;

}  // namespace

void Monitor::handle(Command& command, std::vector<sys::UniqueFd>& fds) {
  if (over_) throw conflict("the container has ended");
  switch (command.kind) {
    case CommandKind::network: return handle_network(fds);
    case CommandKind::attach:
      if (!command.attach) throw invalid("attach without its options");
      return io_of(command.exec_id).attach(take_fd(fds, "attach"), std::move(*command.attach));
    case CommandKind::resize: return io_of(command.exec_id).resize(command.rows, command.columns);
    case CommandKind::close_stdin: return io_of(command.exec_id).end_input();
    case CommandKind::exec:
      if (command.exec && command.exec->probe) return start_probe(command);
      return start_exec(command, fds);
    case CommandKind::reopen_logs:
      if (log_) log_->reopen();
      return;
    case CommandKind::abort:
      if (container_->started()) throw conflict("the container is running");
      return on_failed({Stage::setup, ECANCELED, "the start was given up"});
    case CommandKind::update:
      if (!command.resources) return;
      cgroup_->set(*command.resources);
      if (command.resources->memory && command.resources->memory->limit) watch_oom();
      return;
    case CommandKind::checkpoint:
      if (!command.dump) throw invalid("checkpoint without its options");
      return start_dump(*command.dump);
  }
  throw invalid("unknown command");
}

void Monitor::handle_network(std::vector<sys::UniqueFd>& fds) {
  if (!request_ || !request_->wait_for_network || network_given_) throw conflict("no network namespace is waited for");
  const sys::UniqueFd space = take_fd(fds, "network");
  network_given_ = true;
  init::send(restoring_ ? restoring_->process().sync() : container_->sync(), init::Word::network, space.get());
}

ProcessIo& Monitor::io_of(const std::string& exec_id) {
  if (exec_id.empty()) return container_->io();
  const auto at = execs_.find(exec_id);
  if (at == execs_.end()) throw not_found(cat("No such exec instance: ", exec_id));
  return at->second->io();
}

void Monitor::greet(ControlConnection& connection) {
  Event event{.kind = EventKind::hello,
              .pid = container_ && container_->started() ? container_->pid() : 0,
              .start_ticks = start_ticks_,
              .started_at = started_at_,
              .log_dropped = told_.dropped,
              .log_unsent = told_.unsent};
  connection.send(event, event.pid != 0 ? std::optional{container_->pidfd().get()} : std::nullopt);
}

void Monitor::enter_container_pids() {
  if (!plan_.makes(CLONE_NEWPID) || joined_pid_namespace_) return;
  namespaces::enter(container_->pidfd(), CLONE_NEWPID, "pid namespace of the container");
  joined_pid_namespace_ = true;  // of this process's children, from now on
}

ChildProcess::Handlers Monitor::exec_handlers(const Exec& exec) {
  const std::int64_t timeout = exec.probe ? exec.probe->timeout_ns : 0;
  return {[this, id = exec.exec_id, timeout] {
            ChildProcess& process = *execs_.at(id);
            if (timeout != 0) {
              process.deadline = monotonic_ns() + timeout;
              return;
            }
            control_.broadcast({.kind = EventKind::exec_started, .pid = process.pid(), .exec_id = id});
          },
          [this, id = exec.exec_id](const init::Failure& failure) {
            ChildProcess& process = *execs_.at(id);
            process.deadline = 0;
            process.io().drain();
            process.io().release_clients();
            if (process.is_probe && container_ends()) return;
            control_.broadcast({.kind = EventKind::exec_failed,
                                .stage = failure.stage,
                                .error_number = failure.error_number,
                                .message = failure.message,
                                .exec_id = id});
          }};
}

/// Whatever a probe finds then is the end's doing; that itself is told soon, and the daemon takes no result after it.
bool Monitor::container_ends() const { return over_ || sys::is_ending(container_->pid()); }

/// Nobody waits for an answer to it: what goes wrong is its end.
void Monitor::start_probe(Command& command) {
  has_probed_ = true;
  const std::string id = command.exec->exec_id;
  std::vector<sys::UniqueFd> nothing;
  try {
    start_exec(command, nothing);
  } catch (const Error& error) {
    if (execs_.contains(id)) return;  // it was killed, which will be told
    if (container_ends()) return;
    control_.broadcast({.kind = EventKind::exec_failed,
                        .stage = Stage::setup,
                        .error_number = error.error_number(),
                        .message = error.text(),
                        .exec_id = id});
  }
}

void Monitor::start_exec(Command& command, std::vector<sys::UniqueFd>& fds) {
  if (!command.exec) throw invalid("exec without its options");
  if (!container_->started()) throw conflict("the container is not running");
  const Exec exec = std::move(*command.exec);
  if (execs_.contains(exec.exec_id)) throw conflict(cat("exec ", exec.exec_id, " exists"));

  const bool feeds = exec.attach && exec.attach->want_stdin;
  const std::string id = exec.exec_id;
  const ProcessIo::Options options{.terminal = exec.process.terminal,
                                   .open_stdin = feeds,
                                   .stdin_once = true,
                                   .capture = exec.probe ? exec.probe->output_limit : 0};
  auto process = std::make_unique<ChildProcess>(loop_, memory_, nullptr, options, exec_handlers(exec));
  process->is_probe = exec.probe.has_value();
  if (exec.probe) process->deadline = monotonic_ns() + kProbeStartPatience;
  sys::UniqueFd sync = process->make_sync();
  init::StandardStreams streams = process->io().make_pipes();

  enter_container_pids();
  std::uint64_t flags = 0;
  for (const std::uint64_t flag :
       {CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWCGROUP, CLONE_NEWUSER}) {
    if (plan_.separate(flag) || (flag == CLONE_NEWNET && plan_.has_network)) flags |= flag;
  }
  std::optional<sys::UniqueFd> group;
  if (!cgroup_->path().empty()) group = cgroup_->open_v2();
  namespaces::Forked child = namespaces::fork_into(0, group ? group->get() : -1);
  if (child.pid == 0) {
    init::run_exec(exec, container_->pidfd(), flags, child_attaches() ? &*cgroup_ : nullptr, std::move(sync),
                   std::move(streams));
  }
  process->forked(std::move(child));
  ChildProcess& started = *execs_.emplace(id, std::move(process)).first->second;
  try {
    if (exec.attach && !fds.empty()) started.io().attach(take_fd(fds, "exec"), *exec.attach);
    if (!cgroup_->path().empty() && !cgroup_->tree().unified() && !child_attaches()) cgroup_->attach(started.pid());
    if (exec.process.oom_score_adj) give_oom_score(started.pid(), *exec.process.oom_score_adj);
    init::send(started.sync(), init::Word::go);
  } catch (const Error&) {
    sys::signal_pidfd(started.pidfd(), SIGKILL);  // its end is reported like any other failure
    throw;
  }
}

}  // namespace berth::runtime::shim
