#include "runtime/shim/control.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>

#include "base/core/binary.h"
#include "base/sys/file.h"
#include "base/sys/socket.h"

namespace berth::runtime::shim {

ControlConnection::ControlConnection(ControlServer& server, sys::UniqueFd socket)
    : server_(server), socket_(std::move(socket)) {
  sys::set_nonblocking(socket_);
  server_.loop_.add(socket_, EPOLLIN, *this);
}

ControlConnection::~ControlConnection() { server_.loop_.remove(socket_); }

bool ControlConnection::handle_one() {
  if (dead_) return false;
  std::optional<sys::Message> message;
  try {
    message = sys::receive_message(socket_);
  } catch (const Error&) {
    dead_ = true;  // reset, or a message no daemon of ours would send
    return false;
  }
  if (!message) return false;
  if (message->bytes.empty()) {
    dead_ = true;
    return false;
  }
  server_.run(*this, message->bytes, std::move(message->fds));
  return true;
}

void ControlConnection::ready(std::uint32_t) {
  handle_one();
  if (dead_) server_.remove(*this);  // this object ends here
}

void ControlConnection::send(const Event& event, std::optional<int> fd) {
  if (dead_) return;
  try {
    sys::send_message(socket_, binary::encode(event), fd ? std::vector<int>{*fd} : std::vector<int>{});
  } catch (const Error&) {
    hang_up();
  }
}

bool ControlConnection::hung_up() const {
  pollfd state{.fd = socket_.get(), .events = 0, .revents = 0};
  return dead_ || (::poll(&state, 1, 0) == 1 && (state.revents & (POLLHUP | POLLERR)) != 0);
}

void ControlConnection::hang_up() {
  dead_ = true;
  ::shutdown(socket_.get(), SHUT_RDWR);
}

ControlServer::~ControlServer() { close_all(); }

void ControlServer::listen(sys::UniqueFd listener, const std::string& path) {
  listener_ = std::move(listener);
  path_ = path;
  sys::set_nonblocking(listener_);
  loop_.add(listener_, EPOLLIN, *this);
}

void ControlServer::adopt(sys::UniqueFd socket) {
  connections_.push_back(std::make_unique<ControlConnection>(*this, std::move(socket)));
}

void ControlServer::ready(std::uint32_t) {
  const int fd = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) return;
  adopt(sys::UniqueFd{fd});
  handlers_.greet(*connections_.back());
}

void ControlServer::handle_queued() {
  for (std::size_t i = 0; i < connections_.size(); ++i) {
    while (connections_[i]->handle_one()) {
    }
  }
}

bool ControlServer::abandoned() const {
  return std::ranges::all_of(connections_, [](const auto& connection) { return connection->hung_up(); });
}

void ControlServer::run(ControlConnection& connection, const std::string& bytes, std::vector<sys::UniqueFd> fds) {
  Event answer{.kind = EventKind::done};
  try {
    Command command = binary::decode<Command>(bytes);
    answer.serial = command.serial;
    handlers_.command(command, fds);
  } catch (const Error& error) {
    answer.kind = EventKind::command_failed;
    answer.message = error.text();
    answer.error_number = error.error_number();
  }
  if (answer.serial == 0 && answer.kind == EventKind::done) return;
  connection.send(answer);
}

void ControlServer::broadcast(const Event& event, std::optional<int> fd) {
  for (const auto& connection : connections_) connection->send(event, fd);
}

void ControlServer::remove(ControlConnection& connection) {
  std::erase_if(connections_, [&](const auto& each) { return each.get() == &connection; });
}

void ControlServer::close_all() {
  if (listener_) {
    sys::remove_file(path_);
    loop_.remove(listener_);
    listener_.reset();
  }
  for (const auto& connection : connections_) connection->hang_up();
}

}  // namespace berth::runtime::shim
