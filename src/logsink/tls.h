#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/sys/fd.h"
#include "logsink/config.h"

namespace berth::logsink {

/// A TLS client on a connected socket, which blocks within the socket's own timeouts. Throws what is wrong with files,
/// the server's certificate, or the connection.
class Tls {
 public:
  Tls(const Config& config, sys::FdRef socket);
  Tls(Tls&&) = delete;
  ~Tls();
  void write(std::string_view bytes);
  /// What there is, at least one byte; "" at the end.
  std::string read();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace berth::logsink
