#pragma once

#include "base/sys/fd.h"
#include "network/netlink/socket.h"

namespace berth::network::netlink {

/// The network namespace of the calling thread.
sys::UniqueFd open_own_namespace();

/// A new network namespace, with lo down, and a route socket inside it. It ends with its last descriptor, process and
/// socket: drop the socket when the namespace is set up.
struct NewNamespace {
  sys::UniqueFd netns;
  Socket route;
};

/// `home` is the namespace that the calling thread is in: it is back there on return. Interfaces made in the new one
/// get no IPv6 addresses by themselves (lo keeps ::1).
NewNamespace make_namespace(sys::FdRef home);

void bring_loopback_up(Batch& batch);

}  // namespace berth::network::netlink
