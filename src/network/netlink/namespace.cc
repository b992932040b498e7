#include "network/netlink/namespace.h"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <cstdlib>

#include "base/core/error.h"
#include "network/netlink/route.h"

namespace berth::network::netlink {

namespace {

/// Brings the calling thread home at its end.
class Visit {
 public:
  explicit Visit(sys::FdRef home) : home_(home) {
    if (::unshare(CLONE_NEWNET) != 0) throw errno_error("unshare", "network namespace");
  }
  ~Visit() {
    // A pool thread left in a container's namespace would do the next container's work there: better to end.
    if (::setns(home_.get(), CLONE_NEWNET) != 0) std::abort();
  }
  Visit(const Visit&) = delete;
  Visit& operator=(const Visit&) = delete;

 private:
  sys::FdRef home_;
};

// /proc/sys/net shows the namespace of the thread that looks. Absent on a kernel without IPv6.
void switch_ipv6_off_for_new_links() {
  const sys::UniqueFd file{::open("/proc/sys/net/ipv6/conf/default/disable_ipv6", O_WRONLY | O_CLOEXEC)};
  if (file) [[maybe_unused]]
    const ssize_t written = ::write(file.get(), "1", 1);
}

}  // namespace

sys::UniqueFd open_own_namespace() {
  sys::UniqueFd netns{::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)};
  if (!netns) throw errno_error("open", "/proc/thread-self/ns/net");
  return netns;
}

NewNamespace make_namespace(sys::FdRef home) {
  const Visit visit{home};
  NewNamespace made{open_own_namespace(), Socket{NETLINK_ROUTE}};
  switch_ipv6_off_for_new_links();
  return made;
}

void bring_loopback_up(Batch& batch) { set_link(batch, {.name = {}, .index = 1, .up = true}); }

}  // namespace berth::network::netlink
