#pragma once

#include "base/sys/fd.h"

namespace berth::network {

/// Held while a daemon looks for a free subnet and takes it, so that two daemons starting at once don't choose the
/// same. The lock is a name in the network namespace itself (an abstract socket): right where several daemons share
/// one, and gone with its holder. Waits up to five seconds, then goes on without.
class SubnetLock {
 public:
  SubnetLock();

 private:
  sys::UniqueFd socket_;
};

}  // namespace berth::network
