#include "base/http/parked.h"

#include <sys/epoll.h>

#include <array>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <span>

#include "base/core/error.h"

namespace berth::http {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kGroup = 64;

int make_epoll() {
  const int fd = ::epoll_create1(EPOLL_CLOEXEC);
  if (fd < 0) throw errno_error("epoll_create1", "");
  return fd;
}

/// What the kernel gives back with an event.
std::uint64_t tag_of(int fd, int family) {
  return static_cast<std::uint64_t>(family) << 32 | static_cast<unsigned>(fd);
}

}  // namespace

Parked::Parked(EventLoop& loop) : epoll_(loop, make_epoll()) {}

void Parked::add(sys::UniqueFd socket, int family) {
  const int fd = socket.get();
  const auto place = static_cast<std::size_t>(fd);
  if (sockets_.size() <= place) sockets_.resize(place + 1);
  epoll_event event{.events = EPOLLIN | EPOLLRDHUP, .data = {.u64 = tag_of(fd, family)}};
  if (::epoll_ctl(epoll_.native_handle(), EPOLL_CTL_ADD, fd, &event) != 0) throw errno_error("epoll_ctl", "add");
  sockets_[place] = std::move(socket);
  ++size_;
}

Task<std::vector<Socket>> Parked::next() {
  std::array<epoll_event, kGroup> events;
  int count = 0;
  while (count <= 0) {
    boost::system::error_code code;
    co_await epoll_.async_wait(asio::posix::descriptor_base::wait_read,
                               asio::redirect_error(asio::use_awaitable, code));
    if (code) throw Error{ErrorKind::cancelled, "context canceled"};
    count = ::epoll_wait(epoll_.native_handle(), events.data(), events.size(), 0);
  }
  std::vector<Socket> out;
  for (const epoll_event& event : std::span{events}.first(static_cast<std::size_t>(count))) {
    const auto fd = static_cast<int>(event.data.u64 & 0xffff'ffff);
    ::epoll_ctl(epoll_.native_handle(), EPOLL_CTL_DEL, fd, nullptr);
    sys::UniqueFd socket = std::move(sockets_[static_cast<std::size_t>(fd)]);
    --size_;
    Socket awake{epoll_.get_executor()};
    boost::system::error_code failure;
    awake.assign({static_cast<int>(event.data.u64 >> 32), 0}, socket.get(), failure);
    if (failure) continue;  // no memory for it: the client is hung up on
    (void)socket.release();
    out.push_back(std::move(awake));
  }
  co_return out;
}

}  // namespace berth::http
