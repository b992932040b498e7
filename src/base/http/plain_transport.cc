#include <sys/sendfile.h>

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/core/error.h"
#include "base/http/transport.h"
#include "base/sys/socket.h"

namespace berth::http {

namespace asio = boost::asio;
using asio::use_awaitable;
using ErrorCode = boost::system::error_code;

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
    std::array<asio::const_buffer, 3> rest;
    for (std::size_t i = 0; i < pieces.size(); ++i) rest[i] = asio::buffer(pieces[i].data(), pieces[i].size());
    while (asio::buffer_size(rest) > 0) {
      ErrorCode code;
      std::size_t count = socket_.write_some(rest, code);
      if (code == asio::error::would_block) {
        co_await wait(Socket::wait_write);
        continue;
      }
      if (code) throw Error{ErrorKind::cancelled, "client disconnected"};
      for (asio::const_buffer& buffer : rest) {
        const std::size_t taken = std::min(count, buffer.size());
        buffer += taken;
        count -= taken;
      }
    }
    if (++streak_ >= kTurn) co_await yield();
  }

  /// From the page cache to the socket: nothing passes through this process.
  Task<void> send_file(sys::FdRef file, std::uint64_t offset, std::uint64_t size) override {
    constexpr std::size_t kMost = 512 << 10;  // then others get their turn
    auto at = static_cast<off_t>(offset);
    while (size > 0) {
      const ssize_t sent = sys::retry_on_eintr(
          [&] { return ::sendfile(socket_.native_handle(), file.get(), &at, std::min<std::uint64_t>(size, kMost)); });
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

  void shutdown_send() override {
    ErrorCode code;
    socket_.shutdown(Socket::shutdown_send, code);
  }

  std::optional<sys::UniqueFd> release_plain() override { return sys::UniqueFd{socket_.release()}; }

  sys::UniqueFd hand_over(async::Nursery&) override {
    sys::UniqueFd fd{socket_.release()};
    sys::set_nonblocking(fd, false);
    return fd;
  }

 private:
  Task<void> wait(Socket::wait_type what) {
    streak_ = 0;
    ErrorCode code;
    co_await socket_.async_wait(what, asio::redirect_error(use_awaitable, code));
    if (code == asio::error::operation_aborted) throw Error{ErrorKind::cancelled, "context canceled"};
  }
  Task<void> yield() {
    streak_ = 0;
    co_await asio::post(co_await asio::this_coro::executor, use_awaitable);
  }

  Socket socket_;
  int streak_ = 0;
};

}  // namespace

std::unique_ptr<Transport> make_plain_transport(Socket socket) {
  return std::make_unique<PlainTransport>(std::move(socket));
}

}  // namespace berth::http
