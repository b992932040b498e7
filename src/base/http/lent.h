#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/core/stream.h"
#include "base/http/chunked.h"
#include "base/http/thread_socket.h"

/// A body and an answer that a thread reads and writes on the client's socket itself.
namespace berth::http {

/// Where an Exchange stands in its body.
struct BodyState {
  std::optional<std::uint64_t> length;
  std::uint64_t remaining = 0;  ///< where there is a length
  ChunkedDecoder decoder{};     ///< where there is none
  std::string ahead{};          ///< read from the socket and not yet looked at

  bool done() const { return length ? remaining == 0 : decoder.done(); }
};

class LentBody final : public StoppableSource {
 public:
  LentBody(sys::UniqueFd socket, BodyState state) : socket_(std::move(socket)), state_(std::move(state)) {}

  std::size_t read(char* buffer, std::size_t size) override;
  void fail(std::exception_ptr error) override;
  /// How far the thread, which has ended, has come; reading is over.
  BodyState take_back();

 private:
  std::size_t fill(char* buffer, std::size_t size);

  ThreadSocket socket_;
  BodyState state_;
  std::mutex mutex_;
  std::exception_ptr error_;
};

class LentAnswer final : public StoppableSink {
 public:
  /// `head` leaves with the first bytes.
  LentAnswer(sys::UniqueFd socket, std::string head, bool chunked)
      : socket_(std::move(socket)), head_(std::move(head)), chunked_(chunked) {}

  void write(std::string_view bytes) override;
  bool write_file(int fd, std::uint64_t offset, std::uint64_t size) override;
  void abandon() override { socket_.stop(); }
  bool begun() const { return begun_; }

 private:
  std::string framing(std::uint64_t size);

  ThreadSocket socket_;
  std::string head_;
  const bool chunked_;
  std::atomic<bool> begun_ = false;
};

}  // namespace berth::http
