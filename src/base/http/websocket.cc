#include "base/http/websocket.h"

#include <openssl/evp.h>

#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>

#include "base/core/base64.h"
#include "base/core/error.h"
#include "base/core/text.h"

namespace berth::http {

namespace {

constexpr std::size_t kPieceBytes = 16 << 10;
constexpr std::size_t kMostControlBytes = 125;
constexpr std::uint16_t kNormal = 1000, kProtocolError = 1002;
constexpr std::chrono::seconds kGoodbyeTimeout{1};

std::string_view find(const std::vector<Header>& headers, std::string_view name) {
  const auto found = std::ranges::find_if(headers, [&](const Header& header) { return iequals(header.name, name); });
  return found == headers.end() ? std::string_view{} : std::string_view{found->value};
}

/// "keep-alive, Upgrade" has the token "upgrade".
bool has_token(std::string_view list, std::string_view token) {
  return std::ranges::any_of(split(list, ','), [&](const std::string& each) { return iequals(trim(each), token); });
}

/// Proves that the handshake was understood.
std::string answer_to(const std::string& key) {
  const std::string text = key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
  unsigned size = 0;
  if (::EVP_Digest(text.data(), text.size(), hash.data(), &size, ::EVP_sha1(), nullptr) != 1) {
    throw system_error("websocket: no SHA-1");
  }
  return base64({reinterpret_cast<const char*>(hash.data()), size});
}

std::uint64_t big_endian(std::string_view bytes) {
  std::uint64_t number = 0;
  for (const char byte : bytes) number = number << 8 | static_cast<unsigned char>(byte);
  return number;
}

bool is_control(Opcode opcode) { return static_cast<std::uint8_t>(opcode) >= 8; }

/// Both directions write to the client: one its data, the other its answers.
struct Client {
  Client(std::unique_ptr<Transport> its_transport, EventLoop& loop)
      : transport(std::move(its_transport)), writing(loop) {}
  std::unique_ptr<Transport> transport;
  async::Mutex writing;

  Task<void> send(std::string_view head, std::string_view payload) {
    const async::Mutex::Guard guard = co_await writing.lock();
    co_await transport->write({head, payload, {}});
  }
};

/// Ends when the client has said goodbye or is gone.
Task<void> client_to_engine(Client& client, Transport& engine, std::string bytes) {
  FrameDecoder decoder;
  for (;;) {
    std::string data, answers;
    const FrameDecoder::State state = decoder.feed(bytes, data, answers);
    if (!data.empty()) co_await engine.write({data, {}, {}});
    if (!answers.empty()) co_await client.send(answers, {});
    if (state == FrameDecoder::State::closed) break;
    bytes.resize(kPieceBytes);
    const std::size_t count = co_await client.transport->read_some(bytes.data(), bytes.size());
    if (count == 0) break;
    bytes.resize(count);
  }
  engine.shutdown_send();
}

/// Ends when the engine has closed its end, some time after the client was told, or when the client is gone.
Task<void> engine_to_client(Transport& engine, Client& client) {
  std::string buffer(kPieceBytes, '\0');
  for (;;) {
    const std::size_t count = co_await engine.read_some(buffer.data(), buffer.size());
    if (count == 0) break;
    const std::string head = frame_head(Opcode::binary, count);
    co_await client.send(head, {buffer.data(), count});
  }
  const std::string goodbye = close_frame(kNormal);
  co_await client.send(goodbye, {});
  client.transport->shutdown_send();
  co_await async::sleep_for(kGoodbyeTimeout);  // for the client's answer; the other direction ends with it
}

/// A client that has gone is an end like any other.
Task<void> until_gone(Task<void> direction) {
  try {
    co_await std::move(direction);
  } catch (const Error& error) {
    if (error.text() != "client disconnected") throw;
  }
}

}  // namespace

WebSocketOffer read_websocket_offer(const std::vector<Header>& headers) {
  if (!iequals(find(headers, "Upgrade"), "websocket") || !has_token(find(headers, "Connection"), "upgrade")) {
    throw invalid("not websocket protocol");
  }
  WebSocketOffer offer{.key = std::string{trim(find(headers, "Sec-WebSocket-Key"))}, .protocol = {}};
  if (offer.key.empty()) throw invalid("mismatch challenge/response");
  if (trim(find(headers, "Sec-WebSocket-Version")) != "13") throw invalid("missing or bad WebSocket Version");
  // Any is fine, since none of them means anything to us; browsers insist on getting one of theirs.
  const std::string_view protocols = find(headers, "Sec-WebSocket-Protocol");
  offer.protocol = trim(protocols.substr(0, protocols.find(',')));
  return offer;
}

std::string websocket_head(const WebSocketOffer& offer) {
  std::string head = cat("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
                         "Sec-WebSocket-Accept: ", answer_to(offer.key), "\r\n");
  if (!offer.protocol.empty()) head += cat("Sec-WebSocket-Protocol: ", offer.protocol, "\r\n");
  return head + "\r\n";
}

std::string frame_head(Opcode opcode, std::size_t size) {
  std::string head;
  head += static_cast<char>(0x80 | static_cast<unsigned>(opcode));
  const std::size_t size_bytes = size <= kMostControlBytes ? 0 : size <= 0xffff ? 2 : 8;
  head += static_cast<char>(size_bytes == 0 ? size : size_bytes == 2 ? 126 : 127);
  for (std::size_t i = size_bytes; i > 0; --i) head += static_cast<char>(size >> (8 * (i - 1)));
  return head;
}

std::string close_frame(std::uint16_t code) {
  std::string frame = frame_head(Opcode::close, 2);
  frame += static_cast<char>(code >> 8);
  frame += static_cast<char>(code & 0xff);
  return frame;
}

FrameDecoder::State FrameDecoder::feed(std::string_view bytes, std::string& data, std::string& answers) {
  while (state_ == State::open && !bytes.empty()) {
    if (!in_payload_) {
      head_ += bytes.front();
      bytes.remove_prefix(1);
      if (!read_head(answers) || payload_left_ > 0) continue;
    }
    const std::string_view piece =
        bytes.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(payload_left_, bytes.size())));
    std::string& out = is_control(opcode_) ? control_ : data;
    for (const char byte : piece) {
      out += static_cast<char>(static_cast<unsigned char>(byte) ^ mask_[mask_at_]);
      mask_at_ = (mask_at_ + 1) % mask_.size();
    }
    bytes.remove_prefix(piece.size());
    payload_left_ -= piece.size();
    if (payload_left_ > 0) continue;
    in_payload_ = false;
    if (is_control(opcode_)) end_control_frame(answers);
  }
  return state_;
}

/// True when the head is complete; what it says is then in the members.
bool FrameDecoder::read_head(std::string& answers) {
  if (head_.size() < 2) return false;
  const auto first = static_cast<unsigned char>(head_[0]);
  const auto second = static_cast<unsigned char>(head_[1]);
  const unsigned short_size = second & 0x7f;
  const std::size_t size_bytes = short_size == 126 ? 2 : short_size == 127 ? 8 : 0;
  if (head_.size() < 2 + size_bytes + mask_.size() && (second & 0x80) != 0) return false;

  const bool final = (first & 0x80) != 0;
  opcode_ = static_cast<Opcode>(first & 0x0f);
  payload_left_ = size_bytes == 0 ? short_size : big_endian(std::string_view{head_}.substr(2, size_bytes));
  const bool known = opcode_ <= Opcode::binary || (opcode_ >= Opcode::close && opcode_ <= Opcode::pong);
  const bool begins = opcode_ == Opcode::text || opcode_ == Opcode::binary;
  const bool in_order = is_control(opcode_) || (begins ? !in_message_ : in_message_);
  const bool small = !is_control(opcode_) || (final && payload_left_ <= kMostControlBytes);
  if ((first & 0x70) != 0 || (second & 0x80) == 0 || !known || !in_order || !small || payload_left_ >> 63 != 0) {
    fail(answers, kProtocolError);
    return false;
  }
  if (!is_control(opcode_)) in_message_ = !final;
  const std::string_view mask = std::string_view{head_}.substr(2 + size_bytes);
  std::ranges::copy(mask, mask_.begin());
  mask_at_ = 0;
  head_.clear();
  control_.clear();
  in_payload_ = true;
  return true;
}

void FrameDecoder::end_control_frame(std::string& answers) {
  if (opcode_ == Opcode::ping) answers += frame_head(Opcode::pong, control_.size()) + control_;
  if (opcode_ != Opcode::close) return;
  answers += close_frame(kNormal);
  state_ = State::closed;
}

void FrameDecoder::fail(std::string& answers, std::uint16_t code) {
  answers += close_frame(code);
  state_ = State::closed;
}

Task<void> pump_websocket(std::unique_ptr<Transport> client_transport, std::unique_ptr<Transport> engine,
                          std::string early, EventLoop& loop) {
  using namespace boost::asio::experimental::awaitable_operators;
  Client client{std::move(client_transport), loop};
  co_await (until_gone(client_to_engine(client, *engine, std::move(early))) ||
            until_gone(engine_to_client(*engine, client)));
}

}  // namespace berth::http
