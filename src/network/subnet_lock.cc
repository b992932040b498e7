#include "network/subnet_lock.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <chrono>
#include <cstring>
#include <string_view>
#include <thread>

#include "base/core/error.h"

namespace berth::network {

SubnetLock::SubnetLock() : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
  if (!socket_) throw errno_error("socket", "subnet lock");
  constexpr std::string_view kName = "berth-subnet-choice";
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::memcpy(name.sun_path + 1, kName.data(), kName.size());
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + kName.size());
  for (int attempt = 0; attempt < 500; ++attempt) {
    if (::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&name), size) == 0) return;
    if (errno != EADDRINUSE) throw errno_error("bind", "subnet lock");
    std::this_thread::sleep_for(std::chrono::milliseconds{10});
  }
}

}  // namespace berth::network
