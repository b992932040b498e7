#include "logsink/dial.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <memory>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/socket.h"

namespace berth::logsink {
namespace {

constexpr int kConnectMs = 10'000;
constexpr std::int64_t kIoMs = 30'000;  ///< a sink that takes nothing for so long is as good as gone

/// strerror in Go's small letters.
std::string go_text(int error_number) {
  std::string text = ::strerror(error_number);
  if (!text.empty() && text[0] >= 'A' && text[0] <= 'Z') text[0] = static_cast<char>(text[0] - 'A' + 'a');
  return text;
}

/// 0, or the errno of connect(2).
int connect_within(sys::FdRef socket, const sockaddr* address, socklen_t size) {
  sys::set_nonblocking(socket);
  if (::connect(socket.get(), address, size) != 0) {
    if (errno != EINPROGRESS) return errno;
    pollfd waiting{socket.get(), POLLOUT, 0};
    const int count = sys::retry_on_eintr([&] { return ::poll(&waiting, 1, kConnectMs); });
    if (count == 0) return ETIMEDOUT;
    int error_number = 0;
    socklen_t length = sizeof error_number;
    ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error_number, &length);
    if (error_number != 0) return error_number;
  }
  sys::set_nonblocking(socket, false);
  return 0;
}

void set_timeout(sys::FdRef socket, int option, std::int64_t ms) {
  const timeval time{.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
  ::setsockopt(socket.get(), SOL_SOCKET, option, &time, sizeof time);
}

sys::UniqueFd new_socket(int family, int type) {
  sys::UniqueFd socket{::socket(family, type | SOCK_CLOEXEC, 0)};
  if (!socket) throw errno_error("socket", "");
  return socket;
}

sys::UniqueFd dial_path(const std::string& path, int type, std::string_view network) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) throw system_error(cat("dial ", network, ' ', path, ": name too long"));
  std::memcpy(address.sun_path, path.data(), path.size());
  sys::UniqueFd socket = new_socket(AF_UNIX, type);
  const int failure = connect_within(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  if (failure != 0) {
    throw Error{ErrorKind::system, cat("dial ", network, ' ', path, ": connect: ", go_text(failure)), failure};
  }
  return socket;
}

/// Where the host's own syslog listens.
sys::UniqueFd dial_local() {
  for (const int type : {SOCK_DGRAM, SOCK_STREAM}) {
    for (const char* path : {"/dev/log", "/var/run/syslog", "/var/run/log"}) {
      try {
        return dial_path(path, type, "unix");
      } catch (const Error&) {
        // The next one, then.
      }
    }
  }
  throw system_error("Unix syslog delivery error");
}

sys::UniqueFd dial_host(const Config& config) {
  const bool udp = config.network == "udp";
  const std::string_view network = udp ? "udp" : "tcp";
  addrinfo wanted{};
  wanted.ai_socktype = udp ? SOCK_DGRAM : SOCK_STREAM;
  addrinfo* found = nullptr;
  const char* const host = config.host.empty() ? "localhost" : config.host.c_str();
  if (const int failure = ::getaddrinfo(host, config.port.c_str(), &wanted, &found); failure != 0) {
    const std::string why = failure == EAI_NONAME ? "no such host" : ::gai_strerror(failure);
    throw system_error(cat("dial ", network, ": lookup ", host, ": ", why));
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> all{found, &::freeaddrinfo};
  int last = 0;
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    sys::UniqueFd socket{::socket(each->ai_family, each->ai_socktype | SOCK_CLOEXEC, each->ai_protocol)};
    if (!socket) continue;
    last = connect_within(socket, each->ai_addr, each->ai_addrlen);
    if (last == 0) return socket;
  }
  const bool six = config.host.find(':') != std::string::npos;
  throw Error{
      ErrorKind::system,
      cat("dial ", network, ' ', six ? "[" : "", host, six ? "]" : "", ':', config.port, ": connect: ", go_text(last)),
      last};
}

}  // namespace

sys::UniqueFd dial(const Config& config) {
  sys::UniqueFd socket;
  if (config.network.empty()) {
    socket = dial_local();
  } else if (config.network == "unix") {
    socket = dial_path(config.path, SOCK_STREAM, config.network);
  } else if (config.network == "unixgram") {
    socket = dial_path(config.path, SOCK_DGRAM, config.network);
  } else {
    socket = dial_host(config);
  }
  set_timeout(socket, SO_SNDTIMEO, config.write_timeout_ms != 0 ? config.write_timeout_ms : kIoMs);
  set_timeout(socket, SO_RCVTIMEO, config.read_timeout_ms != 0 ? config.read_timeout_ms : kIoMs);
  return socket;
}

}  // namespace berth::logsink
