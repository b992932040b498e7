#pragma once

#include <functional>
#include <string_view>

#include "base/sys/fd.h"
#include "network/netlink/batch.h"

namespace berth::network::netlink {

/// A netlink socket of the network namespace that the calling thread is in when it is made; it stays there. Not safe
/// from several threads at once.
class Socket {
 public:
  explicit Socket(int protocol);  ///< NETLINK_ROUTE, NETLINK_NETFILTER

  using Visitor = std::function<void(std::uint16_t type, std::string_view payload)>;

  /// Sends all messages with one call and reads every answer; `visit` gets those that are not acknowledgements (the
  /// entries of a dump, the object of a GET). Throws system with the errno of the first message that failed, as
  /// "WHAT: File exists (the kernel's own words)"; rtnetlink has carried out the other messages all the same.
  void exchange(Batch& batch, std::string_view what, const Visitor& visit = {});
  sys::FdRef fd() const { return fd_; }

 private:
  struct Answers;
  void send(const std::string& bytes, std::string_view what);
  bool receive(Answers& answers, const Visitor& visit, std::string_view what);

  sys::UniqueFd fd_;
  std::uint32_t sequence_ = 0;
};

}  // namespace berth::network::netlink
