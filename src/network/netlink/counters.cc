#include "network/netlink/counters.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <map>

#include "base/core/error.h"

namespace berth::network::netlink {

namespace {

/// So many answers fit into a socket's receive buffer of the default size.
constexpr std::size_t kAtOnce = 64;

/// The link's index in the namespace of the socket; 0 when there is none. One short call, where a netlink message would
/// answer with all there is to know of the link.
int index_of(sys::FdRef socket, const std::string& link) {
  ifreq request{};
  link.copy(request.ifr_name, sizeof request.ifr_name - 1);
  return ::ioctl(socket.get(), SIOCGIFINDEX, &request) == 0 ? request.ifr_ifindex : 0;
}

void request_counters(Batch& batch, int index) {
  if_stats_msg header{};
  header.family = AF_UNSPEC;
  header.ifindex = static_cast<std::uint32_t>(index);
  header.filter_mask = IFLA_STATS_FILTER_BIT(IFLA_STATS_LINK_64);
  batch.message(RTM_GETSTATS, NLM_F_ACK, header);
}

std::optional<std::pair<int, Counters>> parse_counters(std::string_view payload) {
  if_stats_msg header{};
  if (payload.size() < sizeof header) return std::nullopt;
  std::memcpy(&header, payload.data(), sizeof header);
  const auto stats = Attributes{payload.substr(sizeof header)}.find(IFLA_STATS_LINK_64);
  if (!stats) return std::nullopt;
  rtnl_link_stats64 all{};  // older kernels have fewer fields at its end
  std::memcpy(&all, stats->data(), std::min(sizeof all, stats->size()));
  return std::pair{static_cast<int>(header.ifindex), Counters{.rx_bytes = all.rx_bytes,
                                                              .rx_packets = all.rx_packets,
                                                              .rx_errors = all.rx_errors,
                                                              .rx_dropped = all.rx_dropped,
                                                              .tx_bytes = all.tx_bytes,
                                                              .tx_packets = all.tx_packets,
                                                              .tx_errors = all.tx_errors,
                                                              .tx_dropped = all.tx_dropped}};
}

}  // namespace

std::vector<Counters> list_counters(Socket& socket, const std::vector<std::string>& links) {
  std::vector<Counters> counters(links.size());
  for (std::size_t begin = 0; begin < links.size(); begin += kAtOnce) {
    Batch batch;
    std::map<int, std::size_t> places;
    for (std::size_t i = begin; i < std::min(begin + kAtOnce, links.size()); ++i) {
      const int index = index_of(socket.fd(), links[i]);
      if (index != 0 && places.emplace(index, i).second) request_counters(batch, index);
    }
    if (batch.empty()) continue;
    try {
      socket.exchange(batch, "reading the counters of links", [&](std::uint16_t, std::string_view payload) {
        const auto answer = parse_counters(payload);
        if (!answer) return;
        if (const auto place = places.find(answer->first); place != places.end())
          counters[place->second] = answer->second;
      });
    } catch (const Error& error) {
      if (error.error_number() != ENODEV) throw;  // one has just gone; the others have been answered
    }
  }
  return counters;
}

}  // namespace berth::network::netlink
