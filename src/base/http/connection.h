#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/http/head_parser.h"
#include "base/http/transport.h"

namespace berth::http {

/// Bytes read and not yet used. Holds memory only while there are any, or while somebody reads.
class InputBuffer {
 public:
  std::string_view data() const { return {memory_.get() + begin_, end_ - begin_}; }
  bool empty() const { return begin_ == end_; }
  std::size_t size() const { return end_ - begin_; }
  void consume(std::size_t count) { begin_ += count; }
  void put_back(std::string_view bytes);  ///< in front of data()
  /// Room for at least `room` more bytes behind data(), which may move.
  char* prepare(std::size_t room);
  void commit(std::size_t count) { end_ += count; }
  void release_if_empty();

 private:
  std::unique_ptr<char[]> memory_;
  std::size_t capacity_ = 0, begin_ = 0, end_ = 0;
};

/// What all connections of a server share.
struct ConnectionContext {
  Handler& handler;
  ServerOptions options;
  const Logger& logger;
  async::Nursery& pumps;
  EventLoop& loop;
  /// Takes a connection that waits for its next request, if there are many. Returns false when it shall stay. May be
  /// empty.
  std::function<bool(Transport&)> park;
  bool draining = false;      ///< no request follows the one that is under way
  std::size_t busy = 0;       ///< requests under way
  std::string date_header{};  ///< "Date: …\r\n", made once a second
  std::int64_t date_second = 0;

  std::string_view date();
};

/// One client, from its first request to its last, or until it is parked.
class Connection {
 public:
  using Deadline = std::optional<std::chrono::steady_clock::time_point>;

  Connection(ConnectionContext& context, std::unique_ptr<Transport> transport)
      : context_(context), transport_(std::move(transport)) {}

  Task<void> run();

  // For Exchange:
  ConnectionContext& context() { return context_; }
  Transport& transport() { return *transport_; }
  InputBuffer& input() { return input_; }
  /// Reads more into input(); 0 at the end, nullopt when the deadline has passed.
  Task<std::optional<std::size_t>> fill(Deadline deadline = std::nullopt, std::size_t size = 4 << 10);

 private:
  Task<bool> serve();
  /// nullopt: answered (or gone) already, close.
  Task<std::optional<Head>> read_head();
  Task<void> refuse(int status);
  Task<void> linger();

  ConnectionContext& context_;
  std::unique_ptr<Transport> transport_;
  InputBuffer input_;
};

}  // namespace berth::http
