#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/async/async.h"
#include "base/core/time.h"
#include "base/json/json.h"
#include "base/sys/fd.h"
#include "container/config.h"
#include "engine/filters.h"

/// The door of the engine for containers. api and cri see nothing else of it, so their tests run against fakes.
/// Every call may throw berth::Error; texts and kinds are Docker's ("No such container: web", not_found).
namespace berth::engine {

struct ContainerInspect;  // engine/container_views.h
struct ContainerSummary;
struct ExecInspect;

struct Created {
  std::string id;
  std::vector<std::string> warnings;
  static void describe(auto& self, auto&& field) {
    field("Id", self.id);
    field("Warnings", self.warnings);
  }
};

struct ListQuery {
  bool all = false, size = false;
  int limit = 0;  ///< <= 0: no limit; > 0 implies all
  Filters filters;
};

enum class Started { now, already };
enum class WaitCondition { not_running, next_exit, removed };

struct WaitResult {
  std::int64_t status_code = 0;
  std::string error;  ///< "" when there is none
};

struct RemoveOptions {
  bool force = false, volumes = false, link = false;
};

struct LogQuery {
  bool follow = false, want_stdout = false, want_stderr = false, timestamps = false, details = false;
  std::optional<Time> since, until;
  std::optional<std::int64_t> tail;  ///< nullopt: all
};

/// The log as the client gets it, in ready-made pieces (framed unless the container has a terminal).
class LogStream {
 public:
  virtual ~LogStream() = default;
  virtual bool tty() const = 0;
  /// Next piece (tens of KiB); nullopt at the end. With follow, waits; cancellable.
  virtual Task<std::optional<std::string>> next() = 0;
};

struct AttachOptions {
  bool want_stdin = false, want_stdout = false, want_stderr = false, stream = false, logs = false;
  std::optional<std::string> detach_keys;  ///< "ctrl-p,ctrl-q"; nullopt: the default
  bool unframed = false;  ///< the bytes of both streams as they come, also without a terminal (for WebSockets)
};

/// A client's connection after HTTP has ended on it. `early_data` was read with the request's head.
struct Hijacked {
  sys::UniqueFd socket;
  std::string early_data;
};

/// Made before the connection is hijacked, so that errors still are HTTP answers.
class AttachSession {
 public:
  virtual ~AttachSession() = default;
  virtual bool tty() const = 0;
  /// Takes the connection over. Returns when the engine has handed it on (to the shim) or is done with it.
  virtual Task<void> run(Hijacked connection) = 0;
};

class Waiter {
 public:
  virtual ~Waiter() = default;
  virtual Task<WaitResult> result() = 0;
};

struct StatsQuery {
  bool stream = true;     ///< a sample each second; false: one, with the one before it to compare the CPU with
  bool one_shot = false;  ///< one at once, with nothing to compare it with; not with `stream`
};

/// What a container uses, as JSON texts with a newline behind each (ContainerStatsResponse).
class StatsStream {
 public:
  virtual ~StatsStream() = default;
  /// Waits for the next sample; null when the container has been removed. Cancellable.
  virtual Task<std::shared_ptr<const std::string>> next() = 0;
};

/// Processes as the host's ps shows them.
struct ProcessList {
  std::vector<std::vector<std::string>> processes;
  std::vector<std::string> titles;
  static void describe(auto& self, auto&& field) {
    field("Processes", self.processes, json::null_if_empty);
    field("Titles", self.titles);
  }
};

struct ExecCreateRequest {
  static constexpr std::string_view kGoName = "ExecOptions";
  std::string user, working_dir;
  bool tty = false, attach_stdin = false, attach_stdout = false, attach_stderr = false, privileged = false,
       detach = false;
  std::string detach_keys;
  std::vector<std::string> env, cmd;
  std::vector<std::uint64_t> console_size;
  static void describe(auto& self, auto&& field) {
    field("User", self.user);
    field("WorkingDir", self.working_dir);
    field("Tty", self.tty);
    field("AttachStdin", self.attach_stdin);
    field("AttachStdout", self.attach_stdout);
    field("AttachStderr", self.attach_stderr);
    field("Privileged", self.privileged);
    field("Detach", self.detach);
    field("DetachKeys", self.detach_keys);
    field("Env", self.env);
    field("Cmd", self.cmd);
    field("ConsoleSize", self.console_size);
  }
};

/// X-Docker-Container-Path-Stat.
struct PathStat {
  std::string name;
  std::int64_t size = 0;
  std::uint32_t mode = 0;  ///< Go's os.FileMode
  std::string mtime, link_target;
  static void describe(auto& self, auto&& field) {
    field("name", self.name);
    field("size", self.size);
    field("mode", self.mode);
    field("mtime", self.mtime);
    field("linkTarget", self.link_target);
  }
};

struct ExtractOptions {
  std::string path;         ///< an existing folder
  bool keep_kinds = false;  ///< no folder becomes something else, nor the other way round
  bool users_own = false;   ///< all belongs to the container's user, if it has one
};

/// An archive that a client is to get. Opened before the answer begins, so that errors still have a status.
class Download {
 public:
  virtual ~Download() = default;
  /// Ends when everything is written; the reader may give up.
  virtual Task<void> run(std::shared_ptr<StoppableSink> out) = 0;
};

struct PathArchive {
  PathStat stat;
  std::unique_ptr<Download> download;
};

struct PathChange {
  std::string path;
  int kind = 0;  ///< 0 modified, 1 added, 2 deleted
  static void describe(auto& self, auto&& field) {
    field("Path", self.path);
    field("Kind", self.kind);
  }
};

struct CommitRequest {
  std::string container, repository, tag, author, comment;
  std::vector<std::string> changes;  ///< Dockerfile instructions
  bool pause = true;
  std::optional<container::Config> config;  ///< instead of the container's own
};

struct CheckpointRequest {
  std::string checkpoint_id, checkpoint_dir;
  bool exit = false;
  static void describe(auto& self, auto&& field) {
    field("CheckpointID", self.checkpoint_id);
    field("CheckpointDir", self.checkpoint_dir);
    field("Exit", self.exit);
  }
};

/// Where a start goes on. Without a name it is an ordinary start.
struct CheckpointName {
  std::string name, dir;  ///< dir "": the container's own
};

struct ExecStartOptions {
  bool detach = false;
  bool tty = false;  ///< the stream goes as it comes; false: in frames. Says nothing about the process's terminal
  std::vector<std::uint64_t> console_size;
};

class Containers {
 public:
  virtual ~Containers() = default;

  virtual Task<Created> create(std::string name, std::string platform, container::CreateRequest request) = 0;
  virtual Task<Started> start(std::string id, CheckpointName checkpoint) = 0;
  /// timeout in seconds: nullopt the container's own, -1 for ever. `already` when it was not running.
  virtual Task<Started> stop(std::string id, std::optional<int> timeout, std::string signal) = 0;
  virtual Task<void> restart(std::string id, std::optional<int> timeout, std::string signal) = 0;
  virtual Task<void> kill(std::string id, std::string signal) = 0;  ///< signal "" is SIGKILL
  virtual Task<void> pause(std::string id) = 0;
  virtual Task<void> unpause(std::string id) = 0;
  virtual Task<void> remove(std::string id, RemoveOptions options) = 0;
  virtual Task<void> rename(std::string id, std::string name) = 0;
  virtual Task<void> resize(std::string id, int rows, int columns) = 0;
  virtual Task<std::vector<std::string>> update(std::string id, container::Resources resources,
                                                std::optional<container::RestartPolicy> policy) = 0;

  virtual Task<std::vector<ContainerSummary>> list(ListQuery query) = 0;
  virtual Task<ContainerInspect> inspect(std::string id, bool size) = 0;
  virtual Task<std::unique_ptr<Waiter>> open_wait(std::string id, WaitCondition condition) = 0;
  virtual Task<std::unique_ptr<LogStream>> open_logs(std::string id, LogQuery query) = 0;
  virtual Task<std::unique_ptr<AttachSession>> open_attach(std::string id, AttachOptions options) = 0;
  /// Removes stopped containers; the ids removed and the bytes freed.
  virtual Task<std::pair<std::vector<std::string>, std::uint64_t>> prune(Filters filters) = 0;

  virtual Task<PathStat> stat_path(std::string id, std::string path) = 0;
  virtual Task<PathArchive> open_archive(std::string id, std::string path) = 0;
  virtual Task<void> extract_archive(std::string id, ExtractOptions options,
                                     std::shared_ptr<StoppableSource> content) = 0;
  virtual Task<std::vector<PathChange>> changes(std::string id) = 0;
  virtual Task<std::unique_ptr<Download>> open_export(std::string id) = 0;
  virtual Task<std::string> commit(CommitRequest request) = 0;  ///< the new image's ID
  /// CheckpointRequest::exit ends the container, which otherwise runs on.
  virtual Task<void> create_checkpoint(std::string id, CheckpointRequest request) = 0;
  virtual Task<std::vector<std::string>> list_checkpoints(std::string id, std::string dir) = 0;  ///< names, sorted
  virtual Task<void> remove_checkpoint(std::string id, CheckpointName checkpoint) = 0;

  virtual Task<std::string> exec_create(std::string id, ExecCreateRequest request) = 0;
  /// detached: starts and returns nullptr. Otherwise the session to run on the hijacked connection starts it.
  virtual Task<std::unique_ptr<AttachSession>> exec_start(std::string exec_id, ExecStartOptions options) = 0;
  virtual Task<void> exec_resize(std::string exec_id, int rows, int columns) = 0;
  virtual Task<ExecInspect> exec_inspect(std::string exec_id) = 0;

  virtual Task<std::unique_ptr<StatsStream>> open_stats(std::string id, StatsQuery query) = 0;
  /// ps_args "" is "-ef".
  virtual Task<ProcessList> top(std::string id, std::string ps_args) = 0;
};

}  // namespace berth::engine
