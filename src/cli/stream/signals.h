#pragma once

#include <signal.h>

#include <optional>
#include <string>

#include "base/sys/fd.h"

namespace berth::cli {

/// Signals to this process as something to poll, instead of their usual effect, as long as this lives.
class SignalWatch {
 public:
  enum class Which { resize_only, all_forwardable };
  explicit SignalWatch(Which which);
  ~SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;

  const sys::UniqueFd& fd() const { return fd_; }
  std::optional<int> next();  ///< nullopt when none waits

 private:
  sigset_t watched_{}, before_{};
  sys::UniqueFd fd_;
};

std::string signal_name(int number);  ///< "TERM"; real-time ones as their number

}  // namespace berth::cli
