#include "base/http/websocket.h"

#include <gtest/gtest.h>

#include "base/core/error.h"

namespace berth::http {
namespace {

using State = FrameDecoder::State;

/// A client's frame, masked.
std::string frame(unsigned first, std::string_view payload, std::string_view mask = "\x01\x02\x03\x04") {
  std::string out(1, static_cast<char>(first));
  std::string head = frame_head(Opcode::binary, payload.size());
  head[1] = static_cast<char>(static_cast<unsigned char>(head[1]) | 0x80);
  out += head.substr(1);
  out += mask;
  for (std::size_t i = 0; i < payload.size(); ++i) out += static_cast<char>(payload[i] ^ mask[i % 4]);
  return out;
}

struct Fed {
  State state;
  std::string data, answers;
};
Fed feed(std::string_view bytes, std::size_t step) {
  FrameDecoder decoder;
  Fed fed{State::open, {}, {}};
  for (; !bytes.empty(); bytes.remove_prefix(std::min(step, bytes.size()))) {
    fed.state = decoder.feed(bytes.substr(0, step), fed.data, fed.answers);
  }
  return fed;
}

std::vector<Header> handshake() {
  return {{"Upgrade", "WebSocket"},
          {"Connection", "keep-alive, Upgrade"},
          {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="},
          {"Sec-WebSocket-Version", "13"}};
}

TEST(WebSocketHandshake, AnswersAsTheRfcsExample) {
  std::vector<Header> headers = handshake();
  headers.push_back({"Sec-WebSocket-Protocol", "chat, superchat"});
  EXPECT_EQ(websocket_head(read_websocket_offer(headers)),
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\n");
}

TEST(WebSocketHandshake, RefusesWhatIsNone) {
  for (const std::size_t missing : {0U, 1U, 2U, 3U}) {
    std::vector<Header> headers = handshake();
    headers.erase(headers.begin() + static_cast<std::ptrdiff_t>(missing));
    EXPECT_THROW(read_websocket_offer(headers), Error) << missing;
  }
}

TEST(FrameDecoder, TakesFramesInPieces) {
  const std::string large(70'000, 'x'), middle(300, 'y');
  const std::string bytes =
      frame(0x82, "ab") + frame(0x81, "c") + frame(0x82, "") + frame(0x82, middle) + frame(0x82, large);
  for (const std::size_t step : {1U, 2U, 7U, 4096U, 100'000U}) {
    const Fed fed = feed(bytes, step);
    EXPECT_EQ(fed.data, "abc" + middle + large);
    EXPECT_EQ(fed.answers, "");
    EXPECT_EQ(fed.state, State::open);
  }
}

TEST(FrameDecoder, JoinsFragmentsAndAnswersPingsBetweenThem) {
  const Fed fed =
      feed(frame(0x02, "a") + frame(0x89, "hi") + frame(0x00, "b") + frame(0x80, "c") + frame(0x8a, "pong"), 3);
  EXPECT_EQ(fed.data, "abc");
  EXPECT_EQ(fed.answers, frame_head(Opcode::pong, 2) + "hi");
}

TEST(FrameDecoder, AnswersTheGoodbyeAndStops) {
  const Fed fed = feed(frame(0x82, "a") + frame(0x88, "\x03\xe8") + frame(0x82, "late"), 1000);
  EXPECT_EQ(fed.data, "a");
  EXPECT_EQ(fed.answers, close_frame(1000));
  EXPECT_EQ(fed.state, State::closed);
}

TEST(FrameDecoder, BrokenRulesEndTheConnection) {
  const std::string unmasked = frame_head(Opcode::binary, 1) + "a";
  const std::string endless{"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x02\x03\x04", 14};
  for (const std::string& bad :
       {unmasked, frame(0xc2, "a"), frame(0x83, "a"), frame(0x8b, ""), frame(0x80, "a"),
        frame(0x02, "a") + frame(0x82, "b"), frame(0x09, "p"), frame(0x89, std::string(126, 'p')), endless}) {
    const Fed fed = feed(bad, 1000);
    EXPECT_EQ(fed.state, State::closed);
    EXPECT_TRUE(fed.answers.ends_with(close_frame(1002)));
  }
}

}  // namespace
}  // namespace berth::http
