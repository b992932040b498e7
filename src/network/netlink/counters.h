#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "network/netlink/socket.h"

namespace berth::network::netlink {

/// What a link has carried, from its own point of view.
struct Counters {
  std::uint64_t rx_bytes = 0, rx_packets = 0, rx_errors = 0, rx_dropped = 0;
  std::uint64_t tx_bytes = 0, tx_packets = 0, tx_errors = 0, tx_dropped = 0;
};

/// The counters of these links of the socket's namespace, in their order; zeros for one that is gone. A few
/// microseconds each (RTM_GETSTATS tells nothing else of a link, unlike RTM_GETLINK).
std::vector<Counters> list_counters(Socket& socket, const std::vector<std::string>& links);

}  // namespace berth::network::netlink
