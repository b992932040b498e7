#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/http/message.h"
#include "base/http/transport.h"

/// The server's side of RFC 6455, as far as a stream of bytes needs it: messages and their borders mean nothing.
namespace berth::http {

/// The head that accepts an offer (see message.h).
std::string websocket_head(const WebSocketOffer& offer);

enum class Opcode : std::uint8_t { continuation = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10 };

/// What goes before `size` bytes of payload in an unmasked frame that is whole.
std::string frame_head(Opcode opcode, std::size_t size);
std::string close_frame(std::uint16_t code);

/// Takes a client's frames apart as their bytes come; holds no payload but that of a control frame.
class FrameDecoder {
 public:
  enum class State { open, closed };

  /// Takes all of `bytes`; appends the payload of text and binary frames to `data`, and what must be answered (pongs,
  /// the closing frame) to `answers`. `closed`: the client has said goodbye or broken the rules; nothing more is to be
  /// read.
  State feed(std::string_view bytes, std::string& data, std::string& answers);

 private:
  bool read_head(std::string& answers);
  void end_control_frame(std::string& answers);
  void fail(std::string& answers, std::uint16_t code);

  State state_ = State::open;
  std::string head_;  ///< of the frame under way, as far as it has come
  std::uint64_t payload_left_ = 0;
  bool in_payload_ = false, in_message_ = false;
  Opcode opcode_{};
  std::array<unsigned char, 4> mask_{};
  std::size_t mask_at_ = 0;
  std::string control_;  ///< payload of a control frame, at most 125 bytes
};

/// Carries bytes between a client that speaks frames and the engine's end of a pair, until one of them ends.
/// Back-pressure goes through both ways: nothing is read that could not be written. `early` came with the handshake.
Task<void> pump_websocket(std::unique_ptr<Transport> client, std::unique_ptr<Transport> engine, std::string early,
                          EventLoop& loop);

}  // namespace berth::http
