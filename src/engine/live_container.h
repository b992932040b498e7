#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/async/async.h"
#include "base/sys/fd.h"
#include "container/record.h"
#include "container/restart_manager.h"
#include "engine/containers.h"
#include "engine/shim_link.h"
#include "network/network.h"

namespace berth::engine {

/// One process of POST /containers/{id}/exec, from its creation to the end of its container's run.
struct ExecProcess {
  ExecProcess(EventLoop& loop, std::string exec_id) : id(std::move(exec_id)), changed(loop) {}
  std::string id;
  ExecCreateRequest request;
  std::string detach_keys;  ///< the bytes of the request's; "" when it has none
  bool started = false;     ///< start was asked for; a second start is a conflict
  bool running = false;
  std::int32_t pid = 0;
  std::optional<std::int64_t> exit_code;
  std::string failure;                ///< why it did not start; "" otherwise
  std::optional<std::string> output;  ///< of a health probe that has ended
  bool timed_out = false;             ///< a health probe, which was killed for that
  ErrorKind failure_kind = ErrorKind::system;
  std::int64_t created_at = 0;
  async::Signal changed;
};

/// Somebody who reads or writes a container's files from outside.
struct FileUse {
  bool writes = false;
  std::function<void()> cancel;                ///< makes it end soon; on the loop
  std::atomic<std::int64_t> last_moved_ns{0};  ///< steady clock, when something came from its client
};

/// A client that attached before the start.
struct PendingAttach {
  sys::UniqueFd socket;
  runtime::shim::Attach attach;
};

/// A checkpoint that somebody waits for.
struct PendingCheckpoint {
  std::string dir;
  bool finished = false;
  std::string failure;  ///< "" when it is there
};

/// A container as the running daemon knows it: its record, and what only exists while it lives. Touched on the event
/// loop only; a coroutine that waits holds it by shared_ptr.
struct Container {
  Container(EventLoop& loop, container::Record its_record)
      : record(std::move(its_record)), operations(loop), changed(loop) {}

  container::Record record;
  std::vector<network::Endpoint> endpoints;  ///< what record.endpoints says, parsed

  async::Mutex operations;  ///< start, stop, rename, update, remove come one after another; an exit waits for nobody
  async::Signal changed;    ///< after every change of what follows, and of record.state

  std::shared_ptr<ShimLink> link;             ///< while a shim serves it
  sys::UniqueFd init;                         ///< pidfd of its first process while it runs
  bool tearing_down = false;                  ///< network and run folder of the last run are still being taken down
  bool settling = false;                      ///< an exit is on its way to the disk; nobody is told of it yet
  bool being_restarted = false;               ///< by POST …/restart: this exit is not the end
  bool removal_asked = false;                 ///< no new start; a second removal is refused
  bool removed = false;                       ///< its row is gone
  bool unrecorded = false;                    ///< the disk didn't take its state; tried again
  std::vector<std::string> orphaned_volumes;  ///< went with its row; their files are still there
  std::uint64_t exits = 0;                    ///< how often it has ended since the daemon started
  std::uint64_t starts = 0;
  std::uint64_t signals = 0;  ///< how many were sent to it
  std::uint64_t pauses = 0;   ///< the same for pauses: what a health probe says across one is not taken
  WaitResult last_exit;

  std::uint64_t log_dropped = 0, log_unsent = 0;  ///< of this run's log; earlier ones' are in the record

  container::RestartManager restarts;
  bool exit_on_next = false;              ///< stopped or killed: no restart policy acts on this run's end
  std::uint64_t restart_ticket = 0;       ///< changes when a pending restart is called off
  bool being_stopped_for_health = false;  ///< HealthcheckOnFailureAction is under way
  bool restart_for_health = false;        ///< …and wants a new start after this run, whatever the restart policy

  std::vector<PendingAttach> pending_attaches;
  std::vector<std::shared_ptr<FileUse>> file_uses;
  std::optional<PendingCheckpoint> checkpoint;
  std::map<std::string, std::shared_ptr<ExecProcess>> execs;

  const std::string& id() const { return record.id; }
  bool running() const { return record.state.running(); }
};

using ContainerPtr = std::shared_ptr<Container>;

}  // namespace berth::engine
