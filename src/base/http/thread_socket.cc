#include "base/http/thread_socket.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include <algorithm>

#include "base/core/error.h"

namespace berth::http {

namespace {

Error client_gone() { return Error{ErrorKind::cancelled, "client disconnected"}; }

}  // namespace

bool send_some(int socket, Pieces& pieces) {
  std::array<iovec, std::tuple_size_v<Pieces>> parts;
  for (std::size_t i = 0; i < pieces.size(); ++i)
    parts[i] = {const_cast<char*>(pieces[i].data()), pieces[i].size()};  // NOLINT: sendmsg only reads
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  const ssize_t sent = sys::retry_on_eintr([&] { return ::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT); });
  if (sent < 0 && errno == EAGAIN) return false;
  if (sent < 0) throw client_gone();
  auto left = static_cast<std::size_t>(sent);
  for (std::string_view& piece : pieces) {
    const std::size_t taken = std::min(left, piece.size());
    piece.remove_prefix(taken);
    left -= taken;
  }
  return true;
}

ThreadSocket::ThreadSocket(sys::UniqueFd socket) : socket_(std::move(socket)), stop_event_(::eventfd(0, EFD_CLOEXEC)) {
  if (!stop_event_) throw errno_error("eventfd", "");
}

void ThreadSocket::stop() {
  stopped_ = true;
  (void)::eventfd_write(stop_event_.get(), 1);
}

void ThreadSocket::check() const {
  if (stopped_) throw Error{ErrorKind::cancelled, "context canceled"};
}

void ThreadSocket::wait(short events) {
  std::array<pollfd, 2> ends{{{socket_.get(), events, 0}, {stop_event_.get(), POLLIN, 0}}};
  if (sys::retry_on_eintr([&] { return ::poll(ends.data(), ends.size(), -1); }) < 0) throw errno_error("poll", "");
  check();
}

std::size_t ThreadSocket::receive(char* buffer, std::size_t size) {
  for (;;) {
    check();
    const ssize_t got = sys::retry_on_eintr([&] { return ::recv(socket_.get(), buffer, size, MSG_DONTWAIT); });
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno != EAGAIN) return 0;
    wait(POLLIN);
  }
}

void ThreadSocket::send(Pieces pieces) {
  while (std::ranges::any_of(pieces, [](std::string_view piece) { return !piece.empty(); })) {
    check();
    if (!send_some(socket_.get(), pieces)) wait(POLLOUT);
  }
}

std::uint64_t ThreadSocket::send_file(int file, std::uint64_t offset, std::uint64_t size) {
  auto at = static_cast<off_t>(offset);
  std::uint64_t done = 0;
  while (done < size) {
    check();
    constexpr std::uint64_t kMost = 1 << 30;
    const ssize_t sent =
        sys::retry_on_eintr([&] { return ::sendfile(socket_.get(), file, &at, std::min(size - done, kMost)); });
    if (sent > 0) {
      done += static_cast<std::uint64_t>(sent);
    } else if (sent == 0) {
      break;
    } else if (errno == EAGAIN) {
      wait(POLLOUT);
    } else if (errno == EPIPE || errno == ECONNRESET) {
      throw client_gone();
    } else {
      throw errno_error("sendfile", "");
    }
  }
  return done;
}

}  // namespace berth::http
