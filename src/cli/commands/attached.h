#pragma once

#include <memory>
#include <optional>
#include <string>

#include "cli/cli.h"
#include "cli/stream/pump.h"

/// What run, start -a, attach and exec share: a container's streams on ours, its signals, its size, its end.
namespace berth::cli {

struct AttachWishes {
  bool input = false, output = false, error = false;
  bool tty = false, sig_proxy = true;
  std::string detach_keys;
};

/// One attached container from the attach request to the end of its output.
class Attached {
 public:
  /// Sends the requests; nothing is read from our streams yet.
  Attached(Cli& cli, std::string id, AttachWishes wishes);

  /// Signals go to the container from now on.
  void forward_signals();
  void resize();
  /// Until the output ends or the user detaches.
  PumpEnd run();

 private:
  void handle_signal(int number);

  Cli& cli_;
  std::string id_;
  AttachWishes wishes_;
  Reply reply_;
  std::unique_ptr<SignalWatch> signals_;
  int interrupts_ = 0;
};

/// A wait request under way.
class PendingWait {
 public:
  PendingWait(Cli& cli, const std::string& id, std::string_view condition);
  int exit_code();    ///< blocks until the container has ended
  void until_done();  ///< the same, whatever the result

 private:
  Reply reply_;
};

/// Throws invalid unless stdin is a terminal where a terminal's input is to be passed on.
void check_terminal(bool input, bool tty);

/// 126, 127 or 125 for a start that failed, by the daemon's words, as docker tells them apart.
int start_failure_code(const std::string& message);

}  // namespace berth::cli
