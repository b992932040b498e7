#pragma once

#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstddef>
#include <vector>

#include "base/http/transport.h"

namespace berth::http {

/// Connections whose clients say nothing: a descriptor and four bytes each, in an epoll of their own of which the loop
/// sees one descriptor. Were they the loop's, each would have a coroutine, and Asio would keep for the daemon's whole
/// life what it has noted of each: small pieces, scattered over all of the heap that 10,000 connections once needed.
class Parked {
 public:
  explicit Parked(EventLoop& loop);

  void add(sys::UniqueFd socket, int family);
  /// Waits until some have something to say, or have gone, and takes them out. Not all at once if there are many: they
  /// then get their turn one group after the other.
  Task<std::vector<Socket>> next();
  void close_all() { sockets_.clear(), size_ = 0; }
  std::size_t size() const { return size_; }

 private:
  boost::asio::posix::stream_descriptor epoll_;
  std::vector<sys::UniqueFd> sockets_;  ///< by their numbers
  std::size_t size_ = 0;
};

}  // namespace berth::http
