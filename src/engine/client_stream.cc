#include "engine/client_stream.h"

#include <sys/socket.h>

#include <cerrno>

#include "base/async/async.h"

namespace berth::engine {

Task<bool> write_to_client(sys::FdRef socket, std::string bytes) {
  std::string_view rest = bytes;
  while (!rest.empty()) {
    const ssize_t sent = sys::retry_on_eintr(
        [&] { return ::send(socket.get(), rest.data(), rest.size(), MSG_NOSIGNAL | MSG_DONTWAIT); });
    if (sent >= 0) {
      rest.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      co_await async::wait_writable(socket);
    } else {
      co_return false;
    }
  }
  co_return true;
}

std::string make_frame(int stream, std::string_view text) {
  std::string frame(8, '\0');
  frame[0] = static_cast<char>(stream);
  for (int i = 0; i < 4; ++i) frame[7 - i] = static_cast<char>(text.size() >> (8 * i));
  frame += text;
  return frame;
}

std::string Unframer::feed(std::string_view bytes) {
  constexpr std::size_t kHeadBytes = 8;
  std::string text;
  while (!bytes.empty()) {
    std::string_view piece = bytes.substr(0, left_ > 0 ? left_ : kHeadBytes - head_.size());
    bytes.remove_prefix(piece.size());
    if (left_ > 0) {
      text += piece;
      left_ -= piece.size();
      continue;
    }
    head_ += piece;
    if (head_.size() < kHeadBytes) continue;
    for (std::size_t i = 4; i < kHeadBytes; ++i) left_ = left_ << 8 | static_cast<unsigned char>(head_[i]);
    head_.clear();
  }
  return text;
}

}  // namespace berth::engine
