// attach and resize
#include <poll.h>

#include <algorithm>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/socket.h"
#include "container/detach_keys.h"
#include "engine/client_stream.h"
#include "engine/containers_service.h"

namespace berth::engine {

using container::Status;
using runtime::shim::CommandKind;

namespace {

/// More clients than that before the start are a mistake, or an attempt on our descriptors.
constexpr std::size_t kMaxPendingAttaches = 256;

/// Gone for good. A client that has only ended its stdin (shutdown) still wants the output.
bool has_hung_up(const sys::UniqueFd& socket) {
  pollfd state{socket.get(), 0, 0};
  return ::poll(&state, 1, 0) > 0 && (state.revents & (POLLHUP | POLLERR)) != 0;
}

}  // namespace

class ContainerAttachSession final : public AttachSession {
 public:
  ContainerAttachSession(ContainersService& service, ContainerPtr container, AttachOptions options)
      : service_(service), container_(std::move(container)), options_(std::move(options)) {}
  bool tty() const override { return container_->record.config.tty; }
  Task<void> run(Hijacked connection) override { return service_.attach(container_, options_, std::move(connection)); }

 private:
  ContainersService& service_;
  ContainerPtr container_;
  AttachOptions options_;
};

Task<std::unique_ptr<AttachSession>> ContainersService::open_attach(std::string id, AttachOptions options) {
  check_open();
  ContainerPtr container = registry_.get(id);
  if (options.detach_keys) (void)container::parse_detach_keys(*options.detach_keys);
  if (container->record.state.status == Status::paused) {
    throw conflict(cat("container ", container->id(), " is paused, unpause the container before attach"));
  }
  if (container->record.state.status == Status::restarting) {
    throw conflict(cat("container ", container->id(), " is restarting, wait until the container is running"));
  }
  co_return std::make_unique<ContainerAttachSession>(*this, std::move(container), std::move(options));
}

Task<void> ContainersService::attach(ContainerPtr container, AttachOptions options, Hijacked connection) {
  const bool tty = container->record.config.tty;
  publish(*container, "attach");
  if (options.logs && !container->record.log_path.empty()) {
    LogQuery query;
    query.want_stdout = options.want_stdout;
    query.want_stderr = options.want_stderr;
    if (query.want_stdout || query.want_stderr) {
      const std::unique_ptr<LogStream> log = co_await open_logs(container->id(), query);
      const bool unframe = options.unframed && !tty;
      Unframer unframer;
      while (std::optional<std::string> piece = co_await log->next()) {
        if (unframe) piece = unframer.feed(*piece);
        if (!co_await write_to_client(connection.socket, *piece)) co_return;
      }
    }
  }
  if (!options.stream || container->removed) co_return;

  PendingAttach pending;
  pending.attach.want_stdin = options.want_stdin && container->record.config.open_stdin;
  pending.attach.want_stdout = options.want_stdout;
  pending.attach.want_stderr = options.want_stderr;
  pending.attach.multiplexed = !tty && !options.unframed;
  if (tty) pending.attach.detach_keys = container::parse_detach_keys(options.detach_keys.value_or(""));
  pending.attach.early_data = std::move(connection.early_data);
  pending.socket = std::move(connection.socket);
  if (container->link) {
    const std::shared_ptr<ShimLink> link = container->link;
    (void)co_await link->send({.kind = CommandKind::attach, .attach = std::move(pending.attach)},
                              {pending.socket.get()});
    co_return;
  }
  drop_dead_clients(*container);
  if (container->pending_attaches.size() >= kMaxPendingAttaches) {
    throw Error{ErrorKind::unavailable, "too many clients wait for this container's start"};
  }
  container->pending_attaches.push_back(std::move(pending));
}

void ContainersService::drop_dead_clients(Container& container) {
  std::erase_if(container.pending_attaches, [](const PendingAttach& client) { return has_hung_up(client.socket); });
}

Task<void> ContainersService::send_pending_attaches(Container& container, ShimLink& link) {
  // One by one from the front: a client that comes while this waits is not forgotten.
  while (!container.pending_attaches.empty()) {
    const PendingAttach client = std::move(container.pending_attaches.front());
    container.pending_attaches.erase(container.pending_attaches.begin());
    if (has_hung_up(client.socket)) continue;
    (void)co_await link.send({.kind = CommandKind::attach, .attach = client.attach}, {client.socket.get()});
  }
}

Task<void> ContainersService::resize(std::string id, int rows, int columns) {
  const ContainerPtr container = registry_.get(id);
  const std::shared_ptr<ShimLink> link = container->link;
  if (!link) throw conflict(cat("container ", container->id(), " is not running"));
  co_await link->call({.kind = CommandKind::resize,
                       .rows = static_cast<std::uint16_t>(rows),
                       .columns = static_cast<std::uint16_t>(columns)},
                      {});
  publish(*container, "resize", {{"height", cat(rows)}, {"width", cat(columns)}});
}

}  // namespace berth::engine
