#include "logsink/channel.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"
#include "base/sys/socket.h"
#include "logsink/dial.h"

namespace berth::logsink {

void Channel::connect() {
  close();
  sys::UniqueFd socket = dial(config_);
  socklen_t size = sizeof type_;
  ::getsockopt(socket.get(), SOL_SOCKET, SO_TYPE, &type_, &size);
  if (config_.network == "tcp+tls") tls_ = std::make_unique<Tls>(config_, socket);
  socket_ = std::move(socket);
}

void Channel::close() {
  tls_.reset();
  socket_.reset();
}

Channel::Sent Channel::send(const Messages& messages, std::size_t first) {
  return type_ == SOCK_STREAM ? send_stream(messages, first) : send_datagrams(messages, first);
}

/// A stream whose other end has been closed still takes bytes, once: nobody would get them.
void Channel::check_peer() const {
  if (tls_) return;
  char byte = 0;
  const ssize_t size = ::recv(socket_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  if (size == 0) throw system_error("the other side has closed the connection");
}

Channel::Sent Channel::send_stream(const Messages& messages, std::size_t first) {
  std::size_t done = messages.begin_of(first);
  std::string failure;
  try {
    check_peer();
    if (tls_) {
      for (std::size_t i = first; i < messages.count(); ++i) {
        tls_->write(messages.message(i));
        done = messages.end_of(i);
      }
    }
    while (done < messages.bytes.size()) {
      const ssize_t written = sys::retry_on_eintr([&] {
        return ::send(socket_.get(), messages.bytes.data() + done, messages.bytes.size() - done, MSG_NOSIGNAL);
      });
      if (written < 0) throw errno_error("write", config_.network);
      done += static_cast<std::size_t>(written);
    }
  } catch (const Error& error) {
    failure = error.text();
  }
  std::size_t next = first;
  while (next < messages.count() && messages.end_of(next) <= done) ++next;
  return {.next = next, .failure = failure};
}

Channel::Sent Channel::send_datagrams(const Messages& messages, std::size_t first) {
  const bool lossy = config_.network == "udp";
  for (std::size_t i = first; i < messages.count(); ++i) {
    const std::string_view message = messages.message(i);
    const auto once = [&] {
      return sys::retry_on_eintr([&] { return ::send(socket_.get(), message.data(), message.size(), MSG_NOSIGNAL); });
    };
    // A refusal tells of an earlier datagram and comes only once.
    if (once() >= 0 || (lossy && errno == ECONNREFUSED && once() >= 0)) continue;
    if (config_.driver == "journald" && (errno == EMSGSIZE || errno == ENOBUFS)) {
      try {
        send_in_file(message);
        continue;
      } catch (const Error& error) {
        return {.next = i, .failure = error.text()};
      }
    }
    const bool hopeless = errno == EMSGSIZE;  // this message, wherever it is sent
    return {.next = i, .failure = errno_error("write", config_.network).text(), .lossy = lossy || hopeless};
  }
  return {.next = messages.count(), .failure = {}};
}

/// journald takes what is too long for a datagram as a sealed memory file.
void Channel::send_in_file(std::string_view message) {
  const sys::UniqueFd file = sys::memory_file("berth-journal", message);
  iovec nothing{};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr header{};
  header.msg_iov = &nothing;
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  cmsghdr* const rights = CMSG_FIRSTHDR(&header);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof(int));
  const int fd = file.get();
  __builtin_memcpy(CMSG_DATA(rights), &fd, sizeof fd);
  if (sys::retry_on_eintr([&] { return ::sendmsg(socket_.get(), &header, MSG_NOSIGNAL); }) < 0) {
    throw errno_error("sendmsg", "journal");
  }
}

std::string Channel::read() {
  if (tls_) return tls_->read();
  std::string bytes(4096, 0);
  const ssize_t got = sys::retry_on_eintr([&] { return ::recv(socket_.get(), bytes.data(), bytes.size(), 0); });
  if (got < 0) throw errno_error("read", config_.network);
  bytes.resize(static_cast<std::size_t>(got));
  return bytes;
}

}  // namespace berth::logsink
