#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "oci/runtime_spec.h"
#include "runtime/criu/dump.h"

/// What berthd and a container's berth-shim say to each other. One SOCK_SEQPACKET message is one binary-encoded
/// Command (daemon to shim) or Event (shim to daemon), with descriptors beside it where said so.
///
/// Life: berthd spawns `berth-shim <container id>` with
///   fd 3  its end of a SEQPACKET pair (the first control connection),
///   fd 4  a memory file holding an encoded LaunchRequest,
///   fd 5  the socket that listens at LaunchRequest::socket_path for later control connections (a daemon that was
///         restarted). It is born listening: where nobody listens, there is no shim, not even one that is about to
///         begin.
/// The shim starts the container, reports `started` or `failed`, and stays until the container has ended, its exit
/// record is written and its output is delivered. A control connection that goes away changes nothing for the
/// container.
namespace berth::runtime::shim {

/// How the container's root file system comes to be; it is mounted inside the container's own mount namespace, so
/// that the host never sees it and the kernel takes it down with the namespace.
struct RootMount {
  bool overlay = true;                  ///< false: bind `upper_dir` (vfs)
  std::vector<std::string> lower_dirs;  ///< absolute, topmost first
  std::string upper_dir, work_dir;
  bool volatile_upper = false;  ///< no sync at umount: for --rm containers
  static void describe(auto& self, auto&& field) {
    field("overlay", self.overlay);
    field("lower_dirs", self.lower_dirs);
    field("upper_dir", self.upper_dir);
    field("work_dir", self.work_dir);
    field("volatile_upper", self.volatile_upper);
  }
};

/// Where the container's output goes: always to a file first (room logfile has the formats), from which a helper
/// process forwards it when the driver is a network's.
struct LogTarget {
  std::string driver;  ///< "json-file", "local" or "none"
  std::string path;
  std::uint64_t max_size_bytes = 0;  ///< 0: no rotation
  std::uint32_t max_files = 1;
  bool compress = false;                    ///< rotated files, by the helper program
  std::string attributes;                   ///< each entry's "attrs": a JSON object, or encoded for "local"; "": none
  std::optional<std::uint64_t> ring_bytes;  ///< non-blocking: a process of its own writes, behind so much memory
  std::string helper_path;                  ///< berth-logger
  std::string sink;                         ///< encoded logsink::Config: forward to there; "": nowhere
  bool wait_for_sink = false;               ///< the container waits rather than that entries are dropped unsent
  bool forget_when_sent = false;            ///< at the end, if the sink has got everything, the files go
  static void describe(auto& self, auto&& field) {
    field("driver", self.driver);
    field("path", self.path);
    field("max_size_bytes", self.max_size_bytes);
    field("max_files", self.max_files);
    field("compress", self.compress);
    field("attributes", self.attributes);
    field("ring_bytes", self.ring_bytes);
    field("helper_path", self.helper_path);
    field("sink", self.sink);
    field("wait_for_sink", self.wait_for_sink);
    field("forget_when_sent", self.forget_when_sent);
  }
};

/// A start that goes on where a checkpoint was made.
struct Restore {
  std::string program;     ///< path of criu
  std::string images_dir;  ///< the checkpoint's folder
  static void describe(auto& self, auto&& field) {
    field("program", self.program);
    field("images_dir", self.images_dir);
  }
};

struct LaunchRequest {
  std::string id;
  std::string run_dir;      ///< folder of this container on the exec root; the shim writes `exit` and `shim.pid` there
  std::string socket_path;  ///< run_dir + "/shim.sock"
  oci::Spec spec;
  RootMount root;
  std::string seccomp_program;  ///< struct sock_filter array as bytes; "" for none
  LogTarget log;
  bool open_stdin = false;        ///< keep a stdin pipe (without it, stdin is /dev/null unless there is a terminal)
  bool stdin_once = false;        ///< close stdin when the first attached client that feeds it has ended its side
  bool wait_for_network = false;  ///< do not exec before the command `network` (its fd is the network namespace)
  std::string init_path;          ///< host path of berth-init to put at /sbin/docker-init and run as pid 1; "" for none
  std::optional<std::int64_t> shim_oom_score_adj;
  std::optional<Restore> restore;
  static void describe(auto& self, auto&& field) {
    field("id", self.id);
    field("run_dir", self.run_dir);
    field("socket_path", self.socket_path);
    field("spec", self.spec);
    field("root", self.root);
    field("seccomp_program", self.seccomp_program);
    field("log", self.log);
    field("open_stdin", self.open_stdin);
    field("stdin_once", self.stdin_once);
    field("wait_for_network", self.wait_for_network);
    field("init_path", self.init_path);
    field("shim_oom_score_adj", self.shim_oom_score_adj);
    field("restore", self.restore);
  }
};

/// For `berth-shim <container id> files`: no container is started, only its files are put together, in a mount
/// namespace of this process's own, for as long as the control connection stands. The answer is `started` with fd 0,
/// the root (O_PATH), through which the daemon reaches all that is mounted there without entering the namespace; or
/// `failed`.
struct FilesRequest {
  std::string id;
  RootMount root;
  std::vector<oci::Mount> mounts;  ///< binds
  static void describe(auto& self, auto&& field) {
    field("id", self.id);
    field("root", self.root);
    field("mounts", self.mounts);
  }
};

enum class CommandKind : std::uint8_t {
  network = 1,  ///< fd 0: network namespace to enter. Goes with wait_for_network, once.
  attach,       ///< fd 0: a stream socket; from now on the client's. See Attach.
  resize,       ///< rows, columns; exec_id "" is the container's terminal
  close_stdin,  ///< the container's stdin gets end of file
  exec,         ///< start one more process in the container; see Exec. fd 0 (optional): its client's stream socket
  reopen_logs,  ///< the log file was truncated or moved by somebody
  abort,        ///< give up a container whose program has not been started yet
  update,       ///< new cgroup limits: `resources`
  checkpoint,   ///< begin a checkpoint: `dump`. `done` says that it is under way, checkpoint_ended how it went
};

/// A client's stream. The shim writes Docker's frames to it (8-byte header: stream 1 or 2, 0 0 0, big-endian length)
/// or raw bytes with a terminal, and reads stdin from it. It closes the socket when the container's output has ended
/// or the client has typed the detach keys.
/// Spec: docker-engine-api-v1.51.yaml, ContainerAttach.
struct Attach {
  bool want_stdin = false, want_stdout = false, want_stderr = false;
  bool multiplexed = true;  ///< frames; false: raw (a terminal)
  std::string detach_keys;  ///< the bytes of the sequence, e.g. "\x10\x11"; "" means none
  std::string early_data;   ///< stdin bytes that were read together with the request's head
  static void describe(auto& self, auto&& field) {
    field("want_stdin", self.want_stdin);
    field("want_stdout", self.want_stdout);
    field("want_stderr", self.want_stderr);
    field("multiplexed", self.multiplexed);
    field("detach_keys", self.detach_keys);
    field("early_data", self.early_data);
  }
};

/// Makes an exec a health probe: nobody is attached, what it says comes back with `exec_exited`, and it is killed with
/// its process group when it takes too long - also when no daemon is there any more. There are many of them, so the
/// one event of its end (`exec_exited` or `exec_failed`) is all that is told of it.
struct Probe {
  std::int64_t timeout_ns = 0;     ///< from the execve on
  std::uint32_t output_limit = 0;  ///< bytes kept of both streams together
  static void describe(auto& self, auto&& field) {
    field("timeout_ns", self.timeout_ns);
    field("output_limit", self.output_limit);
  }
};

struct Exec {
  std::string exec_id;
  oci::Process process;
  std::string seccomp_program;
  bool privileged = false;
  std::optional<Attach> attach;  ///< with fd 0; absent: detached, output dropped
  std::optional<Probe> probe;    ///< instead of attach
  static void describe(auto& self, auto&& field) {
    field("exec_id", self.exec_id);
    field("process", self.process);
    field("seccomp_program", self.seccomp_program);
    field("privileged", self.privileged);
    field("attach", self.attach);
    field("probe", self.probe);
  }
};

struct Command {
  CommandKind kind{};
  std::uint32_t serial = 0;  ///< echoed by `done` and `command_failed`; 0: no answer unless it fails
  std::optional<Attach> attach;
  std::optional<Exec> exec;
  std::optional<oci::Resources> resources;
  std::optional<criu::Dump> dump;
  std::string exec_id;
  std::uint16_t rows = 0, columns = 0;
  static void describe(auto& self, auto&& field) {
    field("kind", self.kind);
    field("serial", self.serial);
    field("attach", self.attach);
    field("exec", self.exec);
    field("resources", self.resources);
    field("dump", self.dump);
    field("exec_id", self.exec_id);
    field("rows", self.rows);
    field("columns", self.columns);
  }
};

enum class EventKind : std::uint8_t {
  hello = 1,         ///< first on a later connection: pid, start_ticks, started_at; fd 0: pidfd of the container's init
  started,           ///< the program was executed: pid, start_ticks, started_at; fd 0: pidfd of init
  failed,            ///< nothing runs, everything is undone: stage, message, error_number. The shim then ends.
  exited,            ///< exit_code, oom_killed, finished_at; the exit record is written
  exec_started,      ///< exec_id, pid
  exec_failed,       ///< exec_id, stage, message, error_number
  exec_exited,       ///< exec_id, exit_code; of a probe also timed_out and output
  detached,          ///< a client typed the detach keys; exec_id
  oom,               ///< its memory was used up: oom_killed, unless the kernel may not kill for it
  log_state,         ///< log_dropped, log_unsent have changed
  done,              ///< the command `serial` was carried out
  command_failed,    ///< the command `serial` was not: message, error_number
  checkpoint_ended,  ///< checkpoint_dir; message: "", or why there is none. Comes before `exited`
};

/// Where a start went wrong; the engine makes Docker's words and exit codes (125, 126, 127) from it.
enum class Stage : std::uint8_t {
  setup = 0,       ///< namespaces, descriptors, the shim itself
  cgroup,          ///< a limit the kernel refused
  rootfs,          ///< mounting the root
  mount,           ///< one of spec.mounts
  user,            ///< looking up the user: "unable to find user x: no matching entries in passwd file"
  working_dir,     ///< chdir to cwd, making it
  exec_not_found,  ///< the program does not exist (127)
  exec_denied,     ///< it is not executable, a folder, or of another format (126)
  network,
  restore,  ///< CRIU
  logging,  ///< the log's sink can't be reached
};

struct Event {
  EventKind kind{};
  std::uint32_t serial = 0;
  std::int32_t pid = 0;
  std::uint64_t start_ticks = 0;
  std::int64_t started_at = 0, finished_at = 0;  ///< nanoseconds since the epoch
  std::int32_t exit_code = 0;
  bool oom_killed = false;
  Stage stage{};
  std::int32_t error_number = 0;
  std::string message, exec_id, checkpoint_dir;
  std::string output;  ///< of a probe; "..." at its end stands for what was more than its limit
  bool timed_out = false;
  std::uint64_t log_dropped = 0, log_unsent = 0;  ///< log_state, hello: entries of this run; see LogCounts
  static void describe(auto& self, auto&& field) {
    field("kind", self.kind);
    field("serial", self.serial);
    field("pid", self.pid);
    field("start_ticks", self.start_ticks);
    field("started_at", self.started_at);
    field("finished_at", self.finished_at);
    field("exit_code", self.exit_code);
    field("oom_killed", self.oom_killed);
    field("stage", self.stage);
    field("error_number", self.error_number);
    field("message", self.message);
    field("exec_id", self.exec_id);
    field("checkpoint_dir", self.checkpoint_dir);
    field("output", self.output);
    field("timed_out", self.timed_out);
    field("log_dropped", self.log_dropped);
    field("log_unsent", self.log_unsent);
  }
};

/// Content of `<run_dir>/exit`, binary, put there by rename: how the container ended. Its presence means that it did.
struct ExitRecord {
  std::int32_t exit_code = 0;
  bool oom_killed = false;
  std::int64_t started_at = 0, finished_at = 0;
  static void describe(auto& self, auto&& field) {
    field("exit_code", self.exit_code);
    field("oom_killed", self.oom_killed);
    field("started_at", self.started_at);
    field("finished_at", self.finished_at);
  }
};

/// Content of `<run_dir>/init`, written before the program runs: who the container's init is, so that a daemon can
/// find and end it when its shim was killed.
struct InitRecord {
  std::int32_t shim_pid = 0, pid = 0;
  std::uint64_t shim_start_ticks = 0, start_ticks = 0;
  std::int64_t started_at = 0;
  static void describe(auto& self, auto&& field) {
    field("shim_pid", self.shim_pid);
    field("pid", self.pid);
    field("shim_start_ticks", self.shim_start_ticks);
    field("start_ticks", self.start_ticks);
    field("started_at", self.started_at);
  }
};

}  // namespace berth::runtime::shim
