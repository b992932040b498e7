#pragma once

#include <string>

#include "base/async/async.h"
#include "base/core/log.h"
#include "base/sys/process.h"
#include "daemon/settings.h"

namespace berth {

/// `berthd --registry ADDRESS`: runs `berth registry serve` beside the daemon, on <data-root>/registry, and starts it
/// again when it ends. A process of its own, so that the daemon has none of its memory, and neither takes the other
/// along. It ends with the daemon, also with one that is killed: it reads a pipe that then closes.
class RegistryProcess {
 public:
  RegistryProcess(EventLoop& loop, const Logger& log, const daemon::Settings& settings, const std::string& data_root,
                  const std::string& exec_root);

  /// Until stop(). Nothing when no registry is wanted.
  Task<void> run();
  Task<void> stop();

 private:
  void start();

  const Logger& log_;
  std::vector<std::string> arguments_;  ///< empty: no registry is wanted
  sys::Child child_;
  sys::UniqueFd life_line_;  ///< closes when we end
  async::Signal changed_;
  bool stopping_ = false, running_ = false;
};

}  // namespace berth
