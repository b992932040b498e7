#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/core/stream.h"
#include "registry/client/repository.h"

namespace berth::registry {

/// The rest of a blob in pieces, which a few threads fetch ahead of the reader, each over a line of its own.
class RangeFetch final : public ByteSource {
 public:
  RangeFetch(Repository& owner, Url url, std::uint64_t from, std::uint64_t size);
  ~RangeFetch() override;  ///< waits for reads that are under way
  RangeFetch(const RangeFetch&) = delete;
  RangeFetch& operator=(const RangeFetch&) = delete;

  /// Throws what a thread has thrown: not_implemented when the server has no ranges.
  std::size_t read(char* buffer, std::size_t size) override;

 private:
  struct Piece {
    std::string bytes;
    bool complete = false;
  };
  void run();
  std::shared_ptr<Piece> begin_piece(std::uint64_t& from);  ///< waits for room; nullptr when there is no more to do
  void fetch(Piece& piece, std::uint64_t from);

  Repository& owner_;
  const Url url_;
  const std::uint64_t size_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t next_;                         ///< where the next piece begins
  std::deque<std::shared_ptr<Piece>> pieces_;  ///< in their order, the first is being read
  std::size_t given_ = 0;                      ///< bytes of the first
  bool stop_ = false;
  std::exception_ptr failure_;
  std::vector<std::thread> threads_;
};

}  // namespace berth::registry
