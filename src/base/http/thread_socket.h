#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/http/transport.h"
#include "base/sys/fd.h"

namespace berth::http {

/// A client's socket in the hands of a thread that may block. The socket itself stays non-blocking, so that waiting for
/// it can be ended from elsewhere.
class ThreadSocket {
 public:
  explicit ThreadSocket(sys::UniqueFd socket);

  // On the thread. All of them throw cancelled after stop().
  std::size_t receive(char* buffer, std::size_t size);  ///< 0 when the client has closed its side or is gone
  void send(Pieces pieces);                             ///< throws cancelled when the client is gone
  /// Returns how much there was: less than `size` when the file is shorter.
  std::uint64_t send_file(int file, std::uint64_t offset, std::uint64_t size);

  void stop();  ///< on any thread

 private:
  void wait(short events);
  void check() const;

  sys::UniqueFd socket_, stop_event_;
  std::atomic<bool> stopped_ = false;
};

/// As much of `pieces` as fits into the socket, taken off them; false when nothing fitted. Throws cancelled when the
/// client is gone.
bool send_some(int socket, Pieces& pieces);

}  // namespace berth::http
