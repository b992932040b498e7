#pragma once

#include <functional>
#include <memory>
#include <string>

#include "cli/http/api.h"
#include "cli/stream/demux.h"
#include "cli/stream/signals.h"
#include "cli/stream/terminal.h"

/// Carries bytes between our standard streams and an attached container until its output ends.
namespace berth::cli {

/// Standard output and error. Small pieces of one stream are gathered and written together.
class StandardOutput : public OutputSink {
 public:
  ~StandardOutput() override;
  void write(int stream, std::string_view bytes) override;
  void flush();

 private:
  int stream_ = 1;
  std::string gathered_;
};

/// Writes a stream of GET /containers/{id}/logs or the like to our streams until it ends.
void copy_output(Reply& reply, bool multiplexed);

struct PumpSetup {
  bool tty = false;         ///< one raw stream instead of frames
  bool input = false;       ///< pass standard input on
  std::string detach_keys;  ///< as given with --detach-keys; watched for only with a tty
  SignalWatch* signals = nullptr;
  std::function<void(int)> on_signal;
};

enum class PumpEnd { finished, detached };

PumpEnd pump(Reply& attached, const PumpSetup& setup);

}  // namespace berth::cli
