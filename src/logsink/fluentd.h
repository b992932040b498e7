#pragma once

#include <optional>
#include <utility>

#include "logsink/messages.h"

namespace berth::logsink {

/// Fluentd's forward protocol, message mode: [tag, time, record, option] in MessagePack.
class FluentdEncoder final : public Encoder {
 public:
  explicit FluentdEncoder(const Config& config) : config_(config) {}
  void encode(const logfile::Record& entry, Messages& out) override;
  /// With request_ack: what the server has to confirm, one for each message since the last call.
  std::vector<std::string> take_chunks() { return std::exchange(chunks_, {}); }

 private:
  Config config_;
  std::vector<std::string> chunks_;
};

/// The chunk that a server's answer {"ack": "…"} confirms, taken from the front of `bytes`; nullopt: more is needed.
/// Throws for what is no such answer.
std::optional<std::string> take_ack(std::string& bytes);

}  // namespace berth::logsink
