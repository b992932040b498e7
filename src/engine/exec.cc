// exec: create, start, resize, inspect
#include <csignal>

#include "base/core/base64.h"
#include "base/core/error.h"
#include "base/core/text.h"
#include "container/detach_keys.h"
#include "engine/client_stream.h"
#include "engine/container_setup.h"
#include "engine/containers_service.h"

namespace berth::engine {

using container::Status;
using runtime::shim::CommandKind;

namespace {

constexpr int kKilled = 128 + SIGKILL;
constexpr std::size_t kMaxFinishedExecs = 64;  ///< kept of each container for inspect; older ones are forgotten

/// `name` is what the client calls the container.
void check_can_exec(const Container& container, const std::string& name) {
  const Status status = container.record.state.status;
  if (status == Status::paused) {
    throw conflict(cat("Container ", name, " is paused, unpause the container before exec"));
  }
  if (status == Status::restarting) {
    throw conflict(cat("Container ", container.id(), " is restarting, wait until the container is running"));
  }
  if (!container.running() || !container.link) {
    throw conflict(cat("container ", container.id(), " is not running"));
  }
}

/// Program, a space, arguments: without any, the space stays, as in dockerd's events.
std::string shown_command(const ExecCreateRequest& request) {
  return cat(request.cmd.front(), " ", join({request.cmd.begin() + 1, request.cmd.end()}, " "));
}

/// Docker calls them escape keys here, and detach keys with attach.
void check_detach_keys(const std::string& keys) {
  try {
    (void)container::parse_detach_keys(keys);
  } catch (const Error&) {
    throw invalid(cat("Invalid escape keys (", keys, ") provided"));
  }
}

/// Docker's health checks run an exec every few seconds for months.
void forget_finished(Container& container, std::map<std::string, std::weak_ptr<Container>>& index) {
  if (container.execs.size() < kMaxFinishedExecs) return;
  auto oldest = container.execs.end();
  for (auto entry = container.execs.begin(); entry != container.execs.end(); ++entry) {
    const ExecProcess& exec = *entry->second;
    if (exec.running || !exec.exit_code) continue;
    if (oldest == container.execs.end() || exec.created_at < oldest->second->created_at) oldest = entry;
  }
  if (oldest == container.execs.end()) return;
  index.erase(oldest->first);
  container.execs.erase(oldest);
}

}  // namespace

class ExecSession final : public AttachSession {
 public:
  ExecSession(ContainersService& service, ContainerPtr container, std::shared_ptr<ExecProcess> exec, bool raw)
      : service_(service), container_(std::move(container)), exec_(std::move(exec)), raw_(raw) {}
  bool tty() const override { return raw_; }
  Task<void> run(Hijacked connection) override {
    return service_.operation("exec start", service_.run_exec({container_, exec_}, std::move(connection), raw_));
  }

 private:
  ContainersService& service_;
  ContainerPtr container_;
  std::shared_ptr<ExecProcess> exec_;
  bool raw_;  ///< no frames: what the start has said of Tty, whatever the process has
};

Task<std::string> ContainersService::exec_create(std::string id, ExecCreateRequest request) {
  check_open();
  const ContainerPtr container = registry_.get(id);
  if (request.cmd.empty()) throw invalid("No exec command specified");
  check_can_exec(*container, id);
  if (!request.detach_keys.empty()) check_detach_keys(request.detach_keys);
  forget_finished(*container, container_of_exec_);
  const auto exec = std::make_shared<ExecProcess>(parts_.loop, random_id());
  exec->request = std::move(request);
  exec->created_at = now().time_since_epoch().count();
  container->execs.emplace(exec->id, exec);
  container_of_exec_.emplace(exec->id, container);
  publish(*container, cat("exec_create: ", shown_command(exec->request)), {{"execID", exec->id}});
  co_return exec->id;
}

ContainersService::FoundExec ContainersService::get_exec(const std::string& exec_id) const {
  const auto found = container_of_exec_.find(exec_id);
  const ContainerPtr container = found == container_of_exec_.end() ? nullptr : found->second.lock();
  if (container) {
    const auto exec = container->execs.find(exec_id);
    if (exec != container->execs.end()) return {container, exec->second};
  }
  throw not_found(cat("No such exec instance: ", exec_id));
}

Task<std::unique_ptr<AttachSession>> ContainersService::exec_start(std::string exec_id, bool detach, bool tty,
                                                                   std::vector<std::uint64_t> console_size) {
  FoundExec found = get_exec(exec_id);
  if (found.exec->exit_code) throw conflict(cat("Error: Exec command ", exec_id, " has already run"));
  if (found.exec->started) throw conflict(cat("Error: Exec command ", exec_id, " is already running"));
  check_can_exec(*found.container, found.container->id());
  found.exec->started = true;
  if (console_size.size() == 2) found.exec->request.console_size = std::move(console_size);
  if (!detach) {
    co_return std::make_unique<ExecSession>(*this, std::move(found.container), std::move(found.exec), tty);
  }
  const std::shared_ptr<ExecProcess> exec = found.exec;
  co_await operation("exec start", run_exec(std::move(found), std::nullopt, tty));
  if (!exec->failure.empty()) throw Error{exec->failure_kind, exec->failure};
  co_return nullptr;
}

/// Returns when the process runs, or when it is known that it will not.
Task<void> ContainersService::run_exec(FoundExec found, std::optional<Hijacked> connection, bool raw) {
  Container& container = *found.container;
  ExecProcess& exec = *found.exec;
  const ExecCreateRequest& request = exec.request;
  runtime::shim::Exec command{.exec_id = exec.id, .process = exec_process(container, exec), .seccomp_program = {}};
  command.privileged = request.privileged;
  const std::shared_ptr<ShimLink> link = container.link;
  std::vector<int> fds;
  if (connection) {
    command.attach = runtime::shim::Attach{.want_stdin = request.attach_stdin,
                                           .want_stdout = request.attach_stdout,
                                           .want_stderr = request.attach_stderr,
                                           .multiplexed = !raw,
                                           .detach_keys = {},
                                           .early_data = std::move(connection->early_data)};
    if (request.tty) command.attach->detach_keys = container::parse_detach_keys(request.detach_keys);
    fds.push_back(connection->socket.get());
  }
  publish(container, cat("exec_start: ", shown_command(request)), {{"execID", exec.id}});
  try {
    if (!link) throw conflict(cat("container ", container.id(), " is not running"));
    co_await link->call({.kind = CommandKind::exec, .exec = std::move(command)}, std::move(fds));
  } catch (const Error& error) {
    if (!exec.exit_code) exec.exit_code = kKilled;
    exec.failure = error.text();
    exec.failure_kind = error.kind();
  }
  while (!exec.running && !exec.exit_code) co_await exec.changed.wait();
  if (!connection || exec.failure.empty()) co_return;
  // HTTP is over on this connection: the words go to the client's terminal, as dockerd does it.
  const std::string text = exec.failure + "\r\n";
  (void)co_await write_to_client(connection->socket, raw ? text : make_frame(1, text));
}

oci::Process ContainersService::exec_process(const Container& container, const ExecProcess& exec) const {
  const ExecCreateRequest& request = exec.request;
  SetupFacts facts;  // the process alone is used: paths and namespaces are the container's already
  facts.container_dir = container_dir(container.id());
  facts.volume_paths = parts_.volumes.paths_for(container.record);
  facts.hostname = container.record.config.hostname;
  container::Record record = container.record;
  record.config.tty = request.tty;
  if (!request.user.empty()) record.config.user = request.user;
  if (request.privileged) record.host_config.privileged = true;
  oci::Process process = build_spec(record, options_.defaults, facts).process;
  process.args = request.cmd;
  process.env.insert(process.env.end(), request.env.begin(), request.env.end());
  if (!request.working_dir.empty()) process.cwd = request.working_dir;
  process.terminal = request.tty;
  process.console_size.reset();
  if (request.tty && request.console_size.size() == 2) {
    process.console_size = oci::Box{.height = request.console_size[0], .width = request.console_size[1]};
  }
  return process;
}

Task<void> ContainersService::exec_resize(std::string exec_id, int rows, int columns) {
  const FoundExec found = get_exec(exec_id);
  const std::shared_ptr<ShimLink> link = found.container->link;
  if (!link || !found.exec->running) throw conflict(cat("Exec command ", exec_id, " is not running"));
  co_await link->call({.kind = CommandKind::resize,
                       .exec_id = exec_id,
                       .rows = static_cast<std::uint16_t>(rows),
                       .columns = static_cast<std::uint16_t>(columns)},
                      {});
}

Task<ExecInspect> ContainersService::exec_inspect(std::string exec_id) {
  const FoundExec found = get_exec(exec_id);
  const ExecProcess& exec = *found.exec;
  ExecInspect view;
  view.id = exec.id;
  view.running = exec.running;
  view.exit_code = exec.exit_code;
  view.process_config.tty = exec.request.tty;
  view.process_config.entrypoint = exec.request.cmd.front();
  view.process_config.arguments.assign(exec.request.cmd.begin() + 1, exec.request.cmd.end());
  view.process_config.privileged = exec.request.privileged;
  view.process_config.user = exec.request.user;
  view.open_stdin = exec.request.attach_stdin;
  view.open_stdout = exec.request.attach_stdout;
  view.open_stderr = exec.request.attach_stderr;
  if (!exec.request.detach_keys.empty()) {
    view.detach_keys = base64(container::parse_detach_keys(exec.request.detach_keys));
  }
  view.container_id = found.container->id();
  view.pid = exec.pid;
  co_return view;
}

/// All processes of a container end with its first one.
void ContainersService::end_execs(Container& container) {
  for (const auto& [exec_id, exec] : container.execs) {
    if (exec->exit_code || !exec->started) continue;
    exec->running = false;
    exec->exit_code = kKilled;
    exec->changed.notify_all();
  }
}

}  // namespace berth::engine
