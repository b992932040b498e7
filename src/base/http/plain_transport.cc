#include <sys/sendfile.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/core/error.h"
#include "base/http/thread_socket.h"
#include "base/http/transport.h"
#include "base/sys/socket.h"

namespace berth::http {

namespace asio = boost::asio;
using asio::use_awaitable;
using ErrorCode = boost::system::error_code;

void put_on_loop(Socket& socket, sys::UniqueFd fd) {
  int family = AF_UNIX;
  socklen_t size = sizeof family;
  ::getsockopt(fd.get(), SOL_SOCKET, SO_DOMAIN, &family, &size);
  socket.assign(asio::generic::stream_protocol{family, 0}, fd.get());
  (void)fd.release();
  socket.non_blocking(true);
}

namespace {

/// After so many operations that did not have to wait, others get their turn.
constexpr int kTurn = 32;

class PlainTransport final : public Transport {
 public:
  explicit PlainTransport(Socket socket) : socket_(std::move(socket)) { socket_.non_blocking(true); }

  Task<void> open() override { co_return; }
  Task<void> wait_idle() override { return wait(Socket::wait_read); }

  Task<std::size_t> read_some(char* buffer, std::size_t size) override {
    for (;;) {
      ErrorCode code;
      const std::size_t count = socket_.read_some(asio::buffer(buffer, size), code);
      if (code == asio::error::would_block) {
        co_await wait(Socket::wait_read);
        continue;
      }
      if (++streak_ >= kTurn) co_await yield();
      co_return code ? 0 : count;
    }
  }

  Task<void> write(Pieces pieces) override {
    while (std::ranges::any_of(pieces, [](std::string_view piece) { return !piece.empty(); })) {
      if (!send_some(native(), pieces)) co_await wait(Socket::wait_write);
    }
    if (++streak_ >= kTurn) co_await yield();
  }

  /// From the page cache to the socket: nothing passes through this process.
  Task<void> send_file(sys::FdRef file, std::uint64_t offset, std::uint64_t size) override {
    constexpr std::size_t kMost = 512 << 10;  // then others get their turn
    auto at = static_cast<off_t>(offset);
    while (size > 0) {
      const ssize_t sent = sys::retry_on_eintr(
          [&] { return ::sendfile(native(), file.get(), &at, std::min<std::uint64_t>(size, kMost)); });
      if (sent > 0) {
        size -= static_cast<std::uint64_t>(sent);
        if (size > 0) co_await yield();
      } else if (sent == 0) {
        throw system_error("sendfile: the file is shorter than it was");
      } else if (errno == EAGAIN) {
        co_await wait(Socket::wait_write);
      } else {
        throw Error{ErrorKind::cancelled, "client disconnected"};
      }
    }
  }

  bool can_lend() const override { return true; }

  /// Taken off the loop's epoll set, which would wake up for all that comes.
  sys::UniqueFd lend() override {
    if (lends_++ == 0) off_loop_.reset(socket_.release());
    return sys::duplicate(off_loop_);
  }

  void take_back() override {
    if (--lends_ == 0) put_on_loop(socket_, std::move(off_loop_));
  }

  void shutdown_send() override {
    ErrorCode code;
    socket_.shutdown(Socket::shutdown_send, code);
  }

  void shutdown_receive() override { ::shutdown(native(), SHUT_RD); }

  std::optional<sys::UniqueFd> release_plain() override { return sys::UniqueFd{socket_.release()}; }

  sys::UniqueFd hand_over(async::Nursery&) override {
    sys::UniqueFd fd{socket_.release()};
    sys::set_nonblocking(fd, false);
    return fd;
  }

 private:
  int native() { return off_loop_ ? off_loop_.get() : socket_.native_handle(); }

  Task<void> wait(Socket::wait_type what) {
    streak_ = 0;
    if (off_loop_) {
      co_await async::wait_writable(off_loop_);
      co_return;
    }
    ErrorCode code;
    co_await socket_.async_wait(what, asio::redirect_error(use_awaitable, code));
    if (code == asio::error::operation_aborted) throw Error{ErrorKind::cancelled, "context canceled"};
  }
  Task<void> yield() {
    streak_ = 0;
    co_await asio::post(co_await asio::this_coro::executor, use_awaitable);
  }

  Socket socket_;
  sys::UniqueFd off_loop_;  ///< the socket while it is lent
  int lends_ = 0;
  int streak_ = 0;
};

}  // namespace

std::unique_ptr<Transport> make_plain_transport(Socket socket) {
  return std::make_unique<PlainTransport>(std::move(socket));
}

}  // namespace berth::http
