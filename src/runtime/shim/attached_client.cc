#include "runtime/shim/attached_client.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cstring>

#include "base/core/error.h"
#include "base/sys/socket.h"
#include "runtime/shim/process_io.h"

namespace berth::runtime::shim {
namespace {

constexpr std::size_t kCongested = 256 * 1024;

}  // namespace

DetachKeys::Result DetachKeys::scan(std::string_view typed) {
  Result result;
  for (const char key : typed) {
    if (key != keys_[matched_]) {
      result.pass.append(keys_, 0, matched_);
      matched_ = 0;
    }
    if (key != keys_[matched_]) {
      result.pass += key;
    } else if (++matched_ == keys_.size()) {
      result.detached = true;
      break;
    }
  }
  return result;
}

AttachedClient::AttachedClient(ProcessIo& io, Loop& loop, sys::UniqueFd socket, Attach attach, bool terminal)
    : io_(io),
      loop_(loop),
      socket_(std::move(socket)),
      attach_(std::move(attach)),
      keys_(terminal ? attach_.detach_keys : std::string{}) {
  sys::set_nonblocking(socket_);
  loop_.add(socket_, events_, *this);
}

AttachedClient::~AttachedClient() { loop_.remove(socket_); }

void AttachedClient::update_events() {
  std::uint32_t wanted = 0;
  if (input_open_ && !finishing_ && !(attach_.want_stdin && io_.input_blocked())) wanted |= EPOLLIN;
  if (sent_ < pending_.size()) wanted |= EPOLLOUT;
  if (dead_) wanted |= EPOLLIN | EPOLLOUT;  // to be removed from its own event
  if (wanted == events_) return;
  events_ = wanted;
  loop_.change(socket_, events_, *this);
}

bool AttachedClient::congested() const { return pending_.size() - sent_ > kCongested; }

void AttachedClient::send(Stream stream, std::string_view bytes) {
  if (dead_) return;
  const auto size = static_cast<std::uint32_t>(bytes.size());
  unsigned char header[8] = {static_cast<unsigned char>(stream),
                             0,
                             0,
                             0,
                             static_cast<unsigned char>(size >> 24),
                             static_cast<unsigned char>(size >> 16),
                             static_cast<unsigned char>(size >> 8),
                             static_cast<unsigned char>(size)};
  iovec pieces[2] = {{header, attach_.multiplexed ? sizeof header : 0},
                     {const_cast<char*>(bytes.data()), bytes.size()}};
  std::size_t done = 0;
  if (sent_ == pending_.size()) {
    const msghdr message{.msg_name = nullptr,
                         .msg_namelen = 0,
                         .msg_iov = pieces,
                         .msg_iovlen = 2,
                         .msg_control = nullptr,
                         .msg_controllen = 0,
                         .msg_flags = 0};
    const ssize_t written =
        sys::retry_on_eintr([&] { return ::sendmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL); });
    if (written < 0 && errno != EAGAIN) dead_ = true;
    if (written > 0) done = static_cast<std::size_t>(written);
  }
  if (!dead_) {
    for (const iovec& piece : pieces) {
      const std::size_t skip = std::min(done, piece.iov_len);
      pending_.append(static_cast<const char*>(piece.iov_base) + skip, piece.iov_len - skip);
      done -= skip;
    }
  }
  update_events();
}

bool AttachedClient::flush() {
  while (sent_ < pending_.size()) {
    const ssize_t written = sys::retry_on_eintr([&] {
      return ::send(socket_.get(), pending_.data() + sent_, pending_.size() - sent_, MSG_DONTWAIT | MSG_NOSIGNAL);
    });
    if (written < 0) return errno == EAGAIN;
    sent_ += static_cast<std::size_t>(written);
  }
  std::string{}.swap(pending_);
  sent_ = 0;
  return true;
}

void AttachedClient::ready(std::uint32_t events) {
  if ((events & EPOLLOUT) != 0 && !flush()) return gone();
  if ((events & EPOLLIN) != 0 && !dead_ && !read_input()) return gone();
  if (dead_ || (events & EPOLLERR) != 0) return gone();
  // Hung up with nothing left to read: nobody is there for output either.
  if ((events & EPOLLHUP) != 0 && (events & EPOLLIN) == 0) return gone();
  if (finishing_ && sent_ == pending_.size()) return gone();
  update_events();
  io_.client_changed();
}

/// Removes this object.
void AttachedClient::gone() {
  if (input_open_ && attach_.want_stdin) io_.input_ended();
  io_.remove(*this);
}

bool AttachedClient::read_input() {
  if (!input_open_ || (attach_.want_stdin && io_.input_blocked())) return true;
  char* const buffer = io_.memory_.data();
  const ssize_t size =
      sys::retry_on_eintr([&] { return ::recv(socket_.get(), buffer, io_.memory_.buffer.size(), MSG_DONTWAIT); });
  if (size < 0) return errno == EAGAIN;
  if (size == 0) {  // its side is at its end; it may still want the output
    input_open_ = false;
    if (attach_.want_stdin) io_.input_ended();
    return attach_.want_stdout || attach_.want_stderr;
  }
  return !attach_.want_stdin || consume({buffer, static_cast<std::size_t>(size)});
}

bool AttachedClient::consume(std::string_view bytes) {
  if (!keys_.enabled()) {
    io_.take_input(bytes);
    return true;
  }
  const DetachKeys::Result typed = keys_.scan(bytes);
  io_.take_input(typed.pass);
  if (!typed.detached) return true;
  io_.detached_ = true;
  input_open_ = false;  // stdin stays open for the next client
  return false;
}

void AttachedClient::feed_early_data() {
  const std::string early = std::exchange(attach_.early_data, {});
  if (attach_.want_stdin && !early.empty() && !consume(early)) dead_ = true;
  update_events();
}

bool AttachedClient::finish() {
  finishing_ = true;
  update_events();
  return dead_ || sent_ == pending_.size();
}

}  // namespace berth::runtime::shim
