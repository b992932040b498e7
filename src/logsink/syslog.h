#pragma once

#include "logsink/messages.h"

namespace berth::logsink {

/// RFC 3164 in the forms of local and remote senders, RFC 5424 with seconds or microseconds; with the length in front
/// (RFC 5425) on TLS. The time is the entry's own, in the host's zone.
class SyslogEncoder final : public Encoder {
 public:
  explicit SyslogEncoder(const Config& config) : config_(config) {}
  void encode(const logfile::Record& entry, Messages& out) override;

 private:
  std::string header(const logfile::Record& entry) const;
  Config config_;
};

}  // namespace berth::logsink
