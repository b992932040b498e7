#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "base/sys/fd.h"
#include "network/ipam/ipv4.h"

namespace berth::network {

class PortTable;

/// A host port that is ours: a bound socket keeps other programs off it for as long as this lives. No process, no
/// thread.
class PortLease {
 public:
  PortLease(PortLease&& other) noexcept;
  PortLease& operator=(PortLease&&) = delete;
  ~PortLease();
  std::uint16_t port() const { return port_; }

 private:
  friend class PortTable;
  PortLease(PortTable* table, std::uint8_t protocol, Ipv4 address, std::uint16_t port)
      : table_(table), protocol_(protocol), address_(address), port_(port) {}

  PortTable* table_;
  std::uint8_t protocol_;
  Ipv4 address_;
  std::uint16_t port_;
};

/// Which host ports the containers of this daemon have. Safe from several threads; outlives its leases.
class PortTable {
 public:
  struct Wanted {
    std::uint8_t protocol = 0;  ///< IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP
    Ipv4 host_ip;
    std::uint16_t first = 0, last = 0;  ///< first 0: any port of the ephemeral range
    std::string target{};               ///< "172.17.0.2:80/tcp", for the error text
  };
  /// The first port of the range that is free. Throws system with Docker's texts: "Bind for 0.0.0.0:80 failed: port is
  /// already allocated" (a container of ours has it), "failed to bind host port for 0.0.0.0:80:172.17.0.2:80/tcp:
  /// address already in use" (another program).
  PortLease reserve(const Wanted& wanted);
  /// After a restart: the port is a running container's, whether or not the socket can be bound again.
  /// `bound` tells which.
  PortLease adopt(const Wanted& wanted, bool& bound);

 private:
  friend class PortLease;
  struct Holder {
    Ipv4 address;
    sys::UniqueFd socket;  ///< none for SCTP on a kernel without it
  };
  using Key = std::pair<std::uint8_t, std::uint16_t>;

  bool is_allocated(std::uint8_t protocol, Ipv4 address, std::uint16_t port) const;
  PortLease hold(const Wanted& wanted, std::uint16_t port, sys::UniqueFd socket);
  PortLease reserve_ephemeral(const Wanted& wanted);
  void release(const PortLease& lease);

  mutable std::mutex mutex_;
  std::map<Key, std::vector<Holder>> holders_;
  std::map<std::uint8_t, std::uint16_t> cursors_;  ///< last ephemeral port given, by protocol
};

}  // namespace berth::network
