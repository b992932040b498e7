#include "base/sys/socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"

namespace berth::sys {

namespace {

constexpr std::size_t kMaxFds = 16;

/// An address for `path`; long ones go through /proc/self/fd/N of the folder, which `holder` keeps open.
sockaddr_un unix_address(const std::string& path, UniqueFd& holder) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::string name = path;
  if (name.size() >= sizeof address.sun_path) {
    const std::size_t slash = path.rfind('/');
    holder = open_file(path.substr(0, slash), O_PATH | O_DIRECTORY);
    name = cat("/proc/self/fd/", holder.get(), path.substr(slash));
    if (name.size() >= sizeof address.sun_path) throw invalid(cat("socket name is too long: ", path));
  }
  std::memcpy(address.sun_path, name.c_str(), name.size() + 1);
  return address;
}

UniqueFd make_socket(int type) {
  UniqueFd fd{::socket(AF_UNIX, type | SOCK_CLOEXEC, 0)};
  if (!fd) throw errno_error("socket", "AF_UNIX");
  return fd;
}

}  // namespace

std::pair<UniqueFd, UniqueFd> socket_pair(int type) {
  int fds[2];
  if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds) != 0) throw errno_error("socketpair", "");
  return {UniqueFd{fds[0]}, UniqueFd{fds[1]}};
}

std::pair<UniqueFd, UniqueFd> make_pipe(int flags) {
  int fds[2];
  if (::pipe2(fds, flags | O_CLOEXEC) != 0) throw errno_error("pipe2", "");
  return {UniqueFd{fds[0]}, UniqueFd{fds[1]}};
}

UniqueFd listen_unix(const std::string& path, int type, mode_t mode, int backlog) {
  UniqueFd fd = make_socket(type);
  UniqueFd holder;
  const sockaddr_un address = unix_address(path, holder);
  // On Linux the mode of the name is that of the socket's inode at bind time, less the umask.
  if (::fchmod(fd.get(), mode) != 0) throw errno_error("fchmod", path);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    throw errno_error("bind", path);
  }
  if (::chmod(path.c_str(), mode) != 0) throw errno_error("chmod", path);
  if (::listen(fd.get(), backlog) != 0) throw errno_error("listen", path);
  return fd;
}

std::optional<UniqueFd> connect_unix(const std::string& path, int type) {
  UniqueFd fd = make_socket(type);
  UniqueFd holder;
  sockaddr_un address{};
  try {
    address = unix_address(path, holder);
  } catch (const Error& error) {
    if (error.error_number() == ENOENT) return std::nullopt;
    throw;
  }
  const int rc =
      retry_on_eintr([&] { return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address); });
  if (rc == 0) return fd;
  if (errno == ECONNREFUSED || errno == ENOENT) return std::nullopt;
  throw errno_error("connect", path);
}

void send_message(FdRef socket, std::string_view bytes, const std::vector<int>& fds) {
  if (fds.size() > kMaxFds) throw invalid("too many descriptors for one message");
  iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kMaxFds)> control{};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(sizeof(int) * fds.size());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
    std::memcpy(CMSG_DATA(header), fds.data(), sizeof(int) * fds.size());
  }
  if (retry_on_eintr([&] { return ::sendmsg(socket.get(), &message, MSG_NOSIGNAL); }) < 0) {
    throw errno_error("sendmsg", "");
  }
}

std::optional<Message> receive_message(FdRef socket, std::size_t limit) {
  // Most messages are small: look at the size first instead of holding a large buffer for every connection.
  char probe = 0;
  const auto peek = [&] {
    return retry_on_eintr([&] { return ::recv(socket.get(), &probe, 1, MSG_PEEK | MSG_TRUNC); });
  };
  ssize_t size = peek();
  // A peer that left with something of ours unread: the kernel says that once, ahead of what it sent before.
  if (size < 0 && errno == ECONNRESET) size = peek();
  if (size < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK) return std::nullopt;
    if (errno == ECONNRESET) return Message{};
    throw errno_error("recv", "");
  }
  if (size == 0) return Message{};
  if (static_cast<std::size_t>(size) > limit) throw invalid("message is too long");

  Message result;
  result.bytes.resize(static_cast<std::size_t>(size));
  iovec piece{result.bytes.data(), result.bytes.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kMaxFds)> control{};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const auto take = [&] { return retry_on_eintr([&] { return ::recvmsg(socket.get(), &message, MSG_CMSG_CLOEXEC); }); };
  ssize_t got = take();
  if (got < 0 && errno == ECONNRESET) got = take();  // it left after the look
  if (got < 0) throw errno_error("recvmsg", "");
  result.bytes.resize(static_cast<std::size_t>(got));
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof fd);
      result.fds.emplace_back(fd);
    }
  }
  return result;
}

PeerCredentials peer_credentials(FdRef socket) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    throw errno_error("getsockopt", "SO_PEERCRED");
  }
  return {credentials.pid, credentials.uid, credentials.gid};
}

void set_nonblocking(FdRef fd, bool on) {
  const int flags = ::fcntl(fd.get(), F_GETFL);
  if (flags < 0 || ::fcntl(fd.get(), F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK) < 0) {
    throw errno_error("fcntl", "O_NONBLOCK");
  }
}

}  // namespace berth::sys
