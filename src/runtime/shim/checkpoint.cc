// A checkpoint of the running container, made by a child so that streams and commands are served meanwhile.
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/core/text.h"
#include "base/sys/file.h"
#include "base/sys/socket.h"
#include "runtime/init/steps.h"
#include "runtime/shim/monitor.h"

namespace berth::runtime::shim {
namespace {

/// The child: it outlives a daemon, but not its monitor, with which the container ends as well.
[[noreturn]] void be_dumper(const criu::Dump& dump, pid_t container, const criu::Descriptor& descriptor,
                            sys::UniqueFd reports) {
  init::run_steps(std::move(reports), [&](init::ChildSync& sync, init::Progress& progress) {
    progress.stage = Stage::restore;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    ::prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
    init::close_all_but({sync.socket().get()});
    criu::dump(dump, container, descriptor);
    ::_exit(0);
  });
}

}  // namespace

void Monitor::start_dump(const criu::Dump& dump) {
  if (!container_->started()) throw conflict("the container is not running");
  if (dumping_) throw conflict("another checkpoint of the container is being made");
  const pid_t container = container_->pid();
  const criu::Descriptor descriptor = describe_streams();
  if (joined_pid_namespace_ && plan_.makes(CLONE_NEWPID)) {  // by an exec; the dumper belongs beside us
    const sys::UniqueFd own = sys::open_file("/proc/self/ns/pid", O_RDONLY);
    namespaces::enter(own, CLONE_NEWPID, "own pid namespace");
    joined_pid_namespace_ = false;
  }
  auto [ours, theirs] = sys::socket_pair(SOCK_SEQPACKET);
  sys::set_nonblocking(ours);
  const namespaces::Forked child = namespaces::fork_into(0, -1);
  if (child.pid == 0) be_dumper(dump, container, descriptor, std::move(theirs));
  dumping_.emplace(child.pid, dump.dir, std::move(ours));
}

criu::Descriptor Monitor::describe_streams() const {
  const ProcessIo::Pipes pipes = container_->io().pipes();
  return {.terminal = container_->io().terminal(),
          .network = plan_.has_network,
          .input_pipe = pipes.input,
          .output_pipe = pipes.output,
          .error_pipe = pipes.error,
          .mounts = {}};
}

void Monitor::on_dump_end(int status) {
  const Dumping dumping = std::move(*dumping_);
  dumping_.reset();
  Event event{.kind = EventKind::checkpoint_ended, .checkpoint_dir = dumping.dir};
  if (status != 0) {
    std::optional<init::Note> note;
    try {
      note = init::receive(dumping.reports);
    } catch (const Error&) {
      // It could not say.
    }
    event.message = note ? note->failure.message : cat("it was killed, status ", status);
  }
  control_.broadcast(event);
  // CRIU ends the container as a part of its work, but does not reap it.
  if (const std::optional<int> ended = std::exchange(early_end_, std::nullopt)) on_container_end(*ended);
}

}  // namespace berth::runtime::shim
