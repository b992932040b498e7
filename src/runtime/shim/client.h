#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/sys/fd.h"
#include "base/sys/process.h"
#include "base/sys/socket.h"
#include "runtime/shim/protocol.h"

/// The daemon's side of a monitor: how one is started and spoken to. Blocking primitives without state; the engine
/// drives them from coroutines by waiting until the control socket is readable.
///
/// A start, from outside:
///   1. `prepare` encodes the request and makes the socket pair.
///   2. Commands sent on `control` before or right after the spawn are handled before the program runs: an `attach`
///      there misses no output.
///   3. `sys::spawn(prepared.options)`; then the shim's ends may go (`prepared.shim_ends.clear()`).
///   4. With wait_for_network: the command `network` with its descriptor.
///   5. `started` or `failed` comes; later `exited`.
///   6. The connection's end says that the container's cgroups, mounts and socket are gone. Only then start it again or
///      remove its folders. The monitor itself may live a little longer, for a client that reads slowly.
namespace berth::runtime::shim {

/// A copy of the monitor's program in sealed memory, made once by the daemon: every monitor is executed from it, so
/// that a process in a container that gets hold of /proc/PID/exe can't write to the file on the host (CVE-2019-5736),
/// and all monitors share its pages. (A container's first process is a fork of its monitor.)
sys::UniqueFd seal_program(const std::string& path);

struct Prepared {
  sys::UniqueFd control;  ///< the daemon's end, SEQPACKET, blocking
  std::vector<sys::UniqueFd> shim_ends;
  sys::SpawnOptions options;  ///< for sys::spawn
};
/// `program`: from seal_program; must stay open until the spawn.
Prepared prepare(sys::FdRef program, const LaunchRequest& request);

/// The same for a process that only holds a container's files. It ends when `control` closes.
Prepared prepare(sys::FdRef program, const FilesRequest& request);

/// Later connections. nullopt when no monitor listens there.
std::optional<sys::UniqueFd> connect(const std::string& socket_path);

void send(sys::FdRef control, const Command& command, const std::vector<int>& fds = {});

struct Received {
  Event event;
  std::vector<sys::UniqueFd> fds;
};
enum class Arrival { event, nothing, closed };
/// `nothing` only on a non-blocking socket. Throws invalid for a broken message.
std::pair<Arrival, Received> receive(sys::FdRef control);

/// What the monitor left in a container's run folder; nullopt when it isn't there (or was cut off by a full disk).
std::optional<ExitRecord> read_exit_record(const std::string& run_dir);
std::optional<InitRecord> read_init_record(const std::string& run_dir);

/// After a monitor was killed: ends the container's processes, waits until they are gone (30 s at most), and removes
/// its cgroups, as far as anything is left. The pid of the record is only used while its start time fits, so that a
/// stranger with the same pid is safe.
void end_orphan(const InitRecord& record, const std::string& cgroups_path);

}  // namespace berth::runtime::shim
