// exec: create, start, resize, inspect
#include <csignal>

#include "base/core/base64.h"
#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/process.h"
#include "container/detach_keys.h"
#include "engine/client_stream.h"
#include "engine/container_setup.h"
#include "engine/containers_service.h"

namespace berth::engine {

using container::Status;
using runtime::shim::CommandKind;

namespace {

constexpr int kKilled = 128 + SIGKILL;
constexpr int kCannotInvoke = 126;
constexpr std::size_t kMostFinished = 64;            ///< kept of each container for inspect
constexpr std::chrono::minutes kKeepFinished{5};     ///< as dockerd; the next exec makes room
constexpr std::chrono::seconds kResizePatience{10};  ///< `docker exec -t` sends its size beside the start

/// `name` as the client has said it.
void check_can_exec(const Container& container, std::string_view name) {
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

/// Health checks and scripts run an exec every few seconds for months.
void forget_finished(Container& container, std::map<std::string, std::weak_ptr<Container>>& index) {
  const std::int64_t too_old = (now() - kKeepFinished).time_since_epoch().count();
  auto oldest = container.execs.end();
  for (auto entry = container.execs.begin(); entry != container.execs.end();) {
    const auto at = entry++;
    const ExecProcess& exec = *at->second;
    if (exec.running || !exec.exit_code) continue;
    if (exec.created_at < too_old) {
      index.erase(at->first);
      container.execs.erase(at);
    } else if (oldest == container.execs.end() || exec.created_at < oldest->second->created_at) {
      oldest = at;
    }
  }
  if (container.execs.size() < kMostFinished || oldest == container.execs.end()) return;
  index.erase(oldest->first);
  container.execs.erase(oldest);
}

/// "exec_create: sh -c true", and as dockerd writes it with a space behind a lone program.
std::string action_text(std::string_view action, const ExecProcess& exec) {
  const std::vector<std::string>& words = exec.request.cmd;
  return cat(action, ": ", words.front(), " ", join({words.begin() + 1, words.end()}, " "));
}

}  // namespace

class ExecSession final : public AttachSession {
 public:
  ExecSession(ContainersService& service, ContainerPtr container, std::shared_ptr<ExecProcess> exec, bool multiplexed)
      : service_(service), container_(std::move(container)), exec_(std::move(exec)), multiplexed_(multiplexed) {}
  ~ExecSession() override {
    if (!ran_) exec_->started = false;  // its client went away before the connection was taken over
  }
  bool tty() const override { return !multiplexed_; }
  Task<void> run(Hijacked connection) override {
    ran_ = true;
    return service_.operation("exec start",
                              service_.run_exec({container_, exec_}, std::move(connection), multiplexed_));
  }

 private:
  ContainersService& service_;
  ContainerPtr container_;
  std::shared_ptr<ExecProcess> exec_;
  const bool multiplexed_;
  bool ran_ = false;
};

Task<std::string> ContainersService::exec_create(std::string id, ExecCreateRequest request) {
  check_open();
  const ContainerPtr container = registry_.get(id);
  if (request.cmd.empty()) throw invalid("No exec command specified");
  check_can_exec(*container, id);
  std::string detach_keys;
  try {
    if (!request.detach_keys.empty()) detach_keys = container::parse_detach_keys(request.detach_keys);
  } catch (const Error&) {
    throw system_error(cat("Invalid escape keys (", request.detach_keys, ") provided"));  // not attach's words
  }
  forget_finished(*container, container_of_exec_);
  const std::shared_ptr<ExecProcess> exec = register_exec(container, std::move(request));
  exec->detach_keys = std::move(detach_keys);
  co_return exec->id;
}

std::shared_ptr<ExecProcess> ContainersService::register_exec(const ContainerPtr& container,
                                                              ExecCreateRequest request) {
  const auto exec = std::make_shared<ExecProcess>(parts_.loop, random_id());
  exec->request = std::move(request);
  exec->created_at = now().time_since_epoch().count();
  container->execs.emplace(exec->id, exec);
  container_of_exec_.emplace(exec->id, container);
  publish(*container, action_text("exec_create", *exec), {{"execID", exec->id}});
  return exec;
}

void ContainersService::forget_exec(Container& container, const ExecProcess& exec) {
  const std::string id = exec.id;  // the maps may hold its last reference
  container_of_exec_.erase(id);
  container.execs.erase(id);
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

Task<std::unique_ptr<AttachSession>> ContainersService::exec_start(std::string exec_id, ExecStartOptions options) {
  FoundExec found = get_exec(exec_id);
  check_can_exec(*found.container, found.container->id());
  if (found.exec->exit_code) throw conflict(cat("Error: Exec command ", exec_id, " has already run"));
  if (found.exec->started) throw conflict(cat("Error: Exec command ", exec_id, " is already running"));
  found.exec->started = true;
  if (options.console_size.size() == 2) found.exec->request.console_size = std::move(options.console_size);
  if (!options.detach) {
    co_return std::make_unique<ExecSession>(*this, std::move(found.container), std::move(found.exec), !options.tty);
  }
  const std::shared_ptr<ExecProcess> exec = found.exec;
  co_await operation("exec start", run_exec(std::move(found), std::nullopt, false));
  if (!exec->failure.empty()) throw Error{exec->failure_kind, exec->failure};
  co_return nullptr;
}

/// Returns when the process runs, or when it is known that it will not.
Task<void> ContainersService::run_exec(FoundExec found, std::optional<Hijacked> connection, bool multiplexed) {
  Container& container = *found.container;
  ExecProcess& exec = *found.exec;
  const ExecCreateRequest& request = exec.request;
  const std::shared_ptr<ShimLink> link = container.link;
  publish(container, action_text("exec_start", exec), {{"execID", exec.id}});
  try {
    if (!link) throw conflict(cat("container ", container.id(), " is not running"));
    if (!request.working_dir.empty() && !request.working_dir.starts_with('/')) {
      throw invalid("OCI runtime exec failed: exec failed: Cwd must be an absolute path: unknown");
    }
    runtime::shim::Exec command = exec_command(container, exec);
    command.seccomp_program = co_await exec_filter(found.container);
    std::vector<int> fds;
    if (connection) {
      command.attach = runtime::shim::Attach{.want_stdin = request.attach_stdin,
                                             .want_stdout = request.attach_stdout,
                                             .want_stderr = request.attach_stderr,
                                             .multiplexed = multiplexed,
                                             .detach_keys = {},
                                             .early_data = std::move(connection->early_data)};
      if (request.tty) {
        command.attach->detach_keys = exec.detach_keys.empty() ? container::parse_detach_keys("") : exec.detach_keys;
      }
      fds.push_back(connection->socket.get());
    }
    co_await link->call({.kind = CommandKind::exec, .exec = std::move(command)}, std::move(fds));
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::cancelled) throw;
    if (!exec.exit_code) exec.exit_code = kCannotInvoke;
    exec.failure = error.text();
    exec.failure_kind = error.kind();
  }
  exec.request.env.clear();  // nobody asks for it any more
  while (!exec.running && !exec.exit_code) co_await exec.changed.wait();
  if (!connection || exec.failure.empty()) co_return;
  // HTTP is over on this connection: the words go to the client's terminal, as dockerd does it.
  const std::string text = exec.failure + "\r\n";
  (void)co_await write_to_client(connection->socket, multiplexed ? make_frame(1, text) : text);
}

/// The container's own filter, whatever the exec may do beyond it. The record may change while a pool thread looks, so
/// it gets what it needs by itself.
Task<std::string> ContainersService::exec_filter(ContainerPtr container) {
  const container::HostConfig& own = container->record.host_config;
  container::HostConfig facts;
  facts.privileged = own.privileged;
  facts.security_opt = own.security_opt;
  facts.cap_add = own.cap_add;
  facts.cap_drop = own.cap_drop;
  co_return co_await parts_.pool.run([&] { return seccomp_program(facts, options_.defaults); });
}

runtime::shim::Exec ContainersService::exec_command(const Container& container, const ExecProcess& exec) const {
  const ExecCreateRequest& request = exec.request;
  container::Record record = container.record;
  record.config.tty = request.tty;
  record.config.env.insert(record.config.env.end(), request.env.begin(), request.env.end());
  if (!request.user.empty()) record.config.user = request.user;
  if (!request.working_dir.empty()) record.config.working_dir = request.working_dir;
  if (request.privileged) record.host_config.privileged = true;
  SetupFacts facts;
  facts.hostname = record.config.hostname;
  oci::Process process = build_process(record, options_.defaults, facts);
  process.args = request.cmd;
  process.console_size.reset();
  if (request.tty && request.console_size.size() == 2) {
    process.console_size = oci::Box{.height = request.console_size[0], .width = request.console_size[1]};
  }
  return {.exec_id = exec.id, .process = std::move(process), .seccomp_program = {}, .privileged = request.privileged};
}

Task<void> ContainersService::exec_resize(std::string exec_id, int rows, int columns) {
  const FoundExec found = get_exec(exec_id);
  ExecProcess& exec = *found.exec;
  const auto deadline = std::chrono::steady_clock::now() + kResizePatience;
  while (!exec.running && !exec.exit_code) {
    const auto left = deadline - std::chrono::steady_clock::now();
    if (left <= left.zero()) throw system_error("timeout waiting for exec session ready");
    co_await exec.changed.wait_for(left);
  }
  const std::shared_ptr<ShimLink> link = found.container->link;
  if (!link || !exec.running) throw conflict(cat("Exec command ", exec_id, " is not running"));
  if (!exec.request.tty) co_return;  // there is no terminal whose size could change
  co_await link->call({.kind = CommandKind::resize,
                       .exec_id = exec_id,
                       .rows = static_cast<std::uint16_t>(rows),
                       .columns = static_cast<std::uint16_t>(columns)},
                      {});
}

Task<ExecInspect> ContainersService::exec_inspect(std::string exec_id) {
  const FoundExec found = get_exec(exec_id);
  ExecProcess& exec = *found.exec;
  // Its streams end at the client's, while the news of its end is on the way to us: who has seen the one and asks for
  // the exit code at once (as `docker exec` does) must get it.
  constexpr std::chrono::seconds kNewsPatience{1};
  if (exec.running && exec.pid > 0 && sys::is_ending(exec.pid)) (void)co_await exec.changed.wait_for(kNewsPatience);
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
  view.container_id = found.container->id();
  view.detach_keys = base64(exec.detach_keys);
  view.pid = exec.pid;
  co_return view;
}

/// All processes of a container end with its first one; what has not begun never will.
void ContainersService::end_execs(Container& container) {
  for (auto entry = container.execs.begin(); entry != container.execs.end();) {
    const auto at = entry++;
    ExecProcess& exec = *at->second;
    if (exec.exit_code) continue;
    exec.exit_code = kKilled;
    if (std::exchange(exec.running, false)) {
      publish(container, "exec_die", {{"execID", exec.id}, {"exitCode", cat(kKilled)}});
    }
    exec.changed.notify_all();
    if (exec.started) continue;
    container_of_exec_.erase(at->first);
    container.execs.erase(at);
  }
}

}  // namespace berth::engine
