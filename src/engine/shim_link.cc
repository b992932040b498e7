#include "engine/shim_link.h"

#include <sys/socket.h>

#include "base/core/binary.h"
#include "base/core/error.h"
#include "base/sys/socket.h"
#include "runtime/shim/client.h"

namespace berth::engine {

using runtime::shim::Command;
using runtime::shim::Event;
using runtime::shim::EventKind;

namespace {
Error shim_is_gone() { return {ErrorKind::conflict, "the container is not running any more"}; }
}  // namespace

/// Of the shim its number is kept, which is its own until it is reaped, and no descriptor: there may be thousands.
ShimLink::ShimLink(EventLoop& loop, sys::UniqueFd socket, sys::Child shim)
    : loop_(loop), socket_(std::move(socket)), shim_(shim.release(), sys::UniqueFd{}) {
  sys::set_nonblocking(socket_);
}

std::pair<sys::UniqueFd, sys::Child> ShimLink::launch(sys::FdRef program, const runtime::shim::LaunchRequest& request) {
  runtime::shim::Prepared prepared = runtime::shim::prepare(program, request);
  sys::Child shim = sys::spawn(prepared.options);
  return {std::move(prepared.control), std::move(shim)};
}

std::optional<sys::UniqueFd> ShimLink::connect(const std::string& socket_path) {
  return runtime::shim::connect(socket_path);
}

Task<std::optional<ShimMessage>> ShimLink::receive() {
  const std::shared_ptr<ShimLink> self = shared_from_this();
  for (;;) {
    std::optional<sys::Message> message = sys::receive_message(socket_);
    if (!message) {
      co_await async::wait_readable(socket_);
      continue;
    }
    if (message->bytes.empty()) {
      close();
      co_return std::nullopt;
    }
    Event event = binary::decode<Event>(message->bytes);
    if (answer(event)) continue;
    co_return ShimMessage{std::move(event), std::move(message->fds)};
  }
}

bool ShimLink::answer(const Event& event) {
  if (event.kind != EventKind::done && event.kind != EventKind::command_failed) return false;
  const auto found = pending_.find(event.serial);
  if (found == pending_.end()) return true;
  if (event.kind == EventKind::command_failed) {
    found->second->error.emplace(ErrorKind::system, event.message, event.error_number);
  }
  found->second->finished = true;
  found->second->answered.notify_all();
  pending_.erase(found);
  return true;
}

Task<bool> ShimLink::send(Command command, std::vector<int> fds) {
  const std::shared_ptr<ShimLink> self = shared_from_this();
  const std::string bytes = binary::encode(command);
  for (;;) {
    if (closed_) co_return false;
    try {
      sys::send_message(socket_, bytes, fds);
      co_return true;
    } catch (const Error& error) {
      if (error.error_number() == EPIPE || error.error_number() == ECONNRESET) co_return false;
      if (error.error_number() != EAGAIN) throw;
    }
    // The reader waits for the same descriptor, and the loop knows a descriptor only once.
    const sys::UniqueFd waitable = sys::duplicate(socket_);
    co_await async::wait_writable(waitable);
  }
}

Task<void> ShimLink::call(Command command, std::vector<int> fds) {
  const std::shared_ptr<ShimLink> self = shared_from_this();
  command.serial = ++last_serial_;
  const auto pending = std::make_shared<Pending>(loop_);
  pending_.emplace(command.serial, pending);
  if (!co_await send(std::move(command), std::move(fds))) throw shim_is_gone();
  while (!pending->finished) co_await pending->answered.wait();
  if (pending->error) throw *pending->error;
}

ShimLink::~ShimLink() {
  if (shim_.pid() > 0) (void)shim_.release();  // it outlives this daemon; init reaps it then
}

Task<bool> ShimLink::reap(std::chrono::milliseconds timeout) {
  const std::shared_ptr<ShimLink> self = shared_from_this();
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  std::chrono::milliseconds pause{1};
  while (shim_.pid() > 0 && !shim_.try_wait()) {
    if (std::chrono::steady_clock::now() >= deadline) {
      shim_ = sys::Child{};  // killed and reaped
      co_return false;
    }
    co_await async::sleep_for(pause);
    pause = std::min(pause * 2, std::chrono::milliseconds{50});
  }
  co_return true;
}

Task<void> ShimLink::reap() {
  const std::shared_ptr<ShimLink> self = shared_from_this();
  while (shim_.pid() > 0 && !shim_.try_wait()) {
    const sys::UniqueFd ended = sys::open_pidfd(shim_.pid());
    co_await async::wait_readable(ended);
  }
}

void ShimLink::hang_up() { (void)::shutdown(socket_.get(), SHUT_RDWR); }

void ShimLink::close() {
  closed_ = true;
  for (auto& [serial, pending] : std::exchange(pending_, {})) {
    pending->error = shim_is_gone();
    pending->finished = true;
    pending->answered.notify_all();
  }
}

}  // namespace berth::engine
