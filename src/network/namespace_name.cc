#include "network/namespace_name.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>
#include <thread>

#include "base/core/error.h"

namespace berth::network {

std::optional<NamespaceName> NamespaceName::take(const std::string& name, std::chrono::milliseconds patience) {
  sys::UniqueFd socket{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  if (!socket) throw errno_error("socket", name);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::size_t length = name.copy(address.sun_path + 1, sizeof address.sun_path - 1);
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + length);
  const auto deadline = std::chrono::steady_clock::now() + patience;
  for (;;) {
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0) {
      return NamespaceName{std::move(socket)};
    }
    if (errno != EADDRINUSE) throw errno_error("bind", name);
    if (std::chrono::steady_clock::now() >= deadline) return std::nullopt;
    std::this_thread::sleep_for(std::chrono::milliseconds{10});
  }
}

std::optional<NamespaceName> lock_subnet_choice() {
  return NamespaceName::take("berth-subnet-choice", std::chrono::seconds{5});
}

}  // namespace berth::network
