#pragma once

#include "logsink/messages.h"

namespace berth::logsink {

/// Graylog's GELF 1.1: JSON, on TCP with a zero byte behind it, on UDP compressed and in chunks when it is long.
class GelfEncoder final : public Encoder {
 public:
  explicit GelfEncoder(const Config& config) : config_(config) {}
  void encode(const logfile::Record& entry, Messages& out) override;

 private:
  std::string compressed(const std::string& json) const;
  Config config_;
};

}  // namespace berth::logsink
