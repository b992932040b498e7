#pragma once

#include "logsink/messages.h"

namespace berth::logsink {

/// systemd's native journal protocol: FIELD=value lines, or a length where the value has line ends.
class JournalEncoder final : public Encoder {
 public:
  explicit JournalEncoder(const Config& config);
  void encode(const logfile::Record& entry, Messages& out) override;

 private:
  std::string fields_;  ///< the same in each entry
};

}  // namespace berth::logsink
