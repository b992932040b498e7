#include "network/ports/port_table.h"

#include <linux/filter.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "base/core/error.h"
#include "base/core/text.h"

namespace berth::network {

namespace {

constexpr std::uint16_t kEphemeralFirst = 32768, kEphemeralLast = 60999;  // the kernel's default ip_local_port_range

int socket_type(std::uint8_t protocol) { return protocol == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM; }

// Should a packet come to the socket itself (the rules were lost), it is dropped, not queued.
void attach_drop_filter(sys::FdRef socket) {
  sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
  const sock_fprog program{.len = 1, .filter = &drop};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

int bind_to(sys::FdRef socket, Ipv4 address, std::uint16_t port) {
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(port);
  name.sin_addr.s_addr = htonl(address.value);
  return ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0 ? 0 : errno;
}

/// The bound socket, or the errno. An empty socket with errno 0: the kernel has no such protocol, nothing to reserve.
struct Binding {
  sys::UniqueFd socket;
  int error = 0;
};

Binding bind_port(std::uint8_t protocol, Ipv4 address, std::uint16_t port) {
  const auto open_socket = [&] {
    return sys::UniqueFd{::socket(AF_INET, socket_type(protocol) | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol)};
  };
  sys::UniqueFd socket = open_socket();
  if (!socket) return {{}, errno == EPROTONOSUPPORT || errno == ESOCKTNOSUPPORT ? 0 : errno};
  attach_drop_filter(socket);
  // Without SO_REUSEADDR a bound socket is enough: nobody else can bind the port, nobody can connect to it.
  const int error = bind_to(socket, address, port);
  if (error == 0) return {std::move(socket), 0};
  if (error != EADDRINUSE || protocol != IPPROTO_TCP) return {{}, error};

  // Perhaps only connections in TIME_WAIT hold it. Then it can be had with SO_REUSEADDR, but only a listening socket
  // keeps others off; the filter keeps it from answering.
  socket = open_socket();
  if (!socket) return {{}, errno};
  attach_drop_filter(socket);
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (const int again = bind_to(socket, address, port); again != 0) return {{}, again};
  if (::listen(socket.get(), 0) != 0) return {{}, errno};
  return {std::move(socket), 0};
}

// The words of Go's syscall package, which clients look for.
std::string reason(int error) {
  if (error == EADDRINUSE) return "address already in use";
  if (error == EADDRNOTAVAIL) return "cannot assign requested address";
  if (error == EACCES) return "permission denied";
  return std::strerror(error);
}

Error allocated(const PortTable::Wanted& wanted, std::uint16_t port) {
  return system_error(cat("Bind for ", wanted.host_ip.text(), ':', port, " failed: port is already allocated"));
}

Error not_bound(const PortTable::Wanted& wanted, std::uint16_t port, int error) {
  return {
      ErrorKind::system,
      cat("failed to bind host port for ", wanted.host_ip.text(), ':', port, ':', wanted.target, ": ", reason(error)),
      error};
}

}  // namespace

PortLease::PortLease(PortLease&& other) noexcept
    : table_(std::exchange(other.table_, nullptr)),
      protocol_(other.protocol_),
      address_(other.address_),
      port_(other.port_) {}

PortLease::~PortLease() {
  if (table_ != nullptr) table_->release(*this);
}

bool PortTable::is_allocated(std::uint8_t protocol, Ipv4 address, std::uint16_t port) const {
  const auto found = holders_.find({protocol, port});
  return found != holders_.end() && std::ranges::any_of(found->second, [&](const Holder& holder) {
           return holder.address == address || holder.address.value == 0 || address.value == 0;
         });
}

PortLease PortTable::hold(const Wanted& wanted, std::uint16_t port, sys::UniqueFd socket) {
  holders_[{wanted.protocol, port}].push_back({wanted.host_ip, std::move(socket)});
  return {this, wanted.protocol, wanted.host_ip, port};
}

PortLease PortTable::reserve(const Wanted& wanted) {
  const std::lock_guard lock{mutex_};
  if (wanted.first == 0) return reserve_ephemeral(wanted);
  std::optional<Error> first_failure;
  for (std::uint32_t port = wanted.first; port <= std::max(wanted.first, wanted.last); ++port) {
    const auto number = static_cast<std::uint16_t>(port);
    if (is_allocated(wanted.protocol, wanted.host_ip, number)) {
      if (!first_failure) first_failure = allocated(wanted, number);
      continue;
    }
    Binding binding = bind_port(wanted.protocol, wanted.host_ip, number);
    if (binding.error == 0) return hold(wanted, number, std::move(binding.socket));
    if (!first_failure) first_failure = not_bound(wanted, number, binding.error);
  }
  throw *first_failure;
}

PortLease PortTable::reserve_ephemeral(const Wanted& wanted) {
  const std::uint32_t count = kEphemeralLast - kEphemeralFirst + 1;
  std::uint16_t& cursor = cursors_.try_emplace(wanted.protocol, kEphemeralFirst - 1).first->second;
  for (std::uint32_t tried = 0; tried < count; ++tried) {
    cursor = cursor >= kEphemeralLast ? kEphemeralFirst : cursor + 1;
    if (is_allocated(wanted.protocol, wanted.host_ip, cursor)) continue;
    Binding binding = bind_port(wanted.protocol, wanted.host_ip, cursor);
    if (binding.error == 0) return hold(wanted, cursor, std::move(binding.socket));
    if (binding.error != EADDRINUSE) throw not_bound(wanted, cursor, binding.error);
  }
  throw system_error("all ports are allocated");
}

PortLease PortTable::adopt(const Wanted& wanted, bool& bound) {
  const std::lock_guard lock{mutex_};
  Binding binding = bind_port(wanted.protocol, wanted.host_ip, wanted.first);
  bound = binding.error == 0;
  return hold(wanted, wanted.first, std::move(binding.socket));
}

void PortTable::release(const PortLease& lease) {
  const std::lock_guard lock{mutex_};
  const auto found = holders_.find({lease.protocol_, lease.port_});
  if (found == holders_.end()) return;
  const auto mine = std::ranges::find(found->second, lease.address_, &Holder::address);
  if (mine != found->second.end()) found->second.erase(mine);
  if (found->second.empty()) holders_.erase(found);
}

}  // namespace berth::network
