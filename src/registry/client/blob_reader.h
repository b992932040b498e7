#pragma once

#include <chrono>
#include <memory>
#include <optional>

#include "base/core/stream.h"
#include "registry/client/repository.h"

namespace berth::registry {

/// One stretch of a blob, through as many connections, one after the other, as it takes.
class BlobLine final : public ByteSource {
 public:
  struct Stretch {
    std::uint64_t from = 0, to = 0, size = 0;  ///< size: of the whole blob
  };
  enum class Ranges { wanted, required };  ///< required: not_implemented is thrown when the server has none

  BlobLine(Repository& owner, Url url, Stretch stretch, Ranges ranges);
  std::size_t read(char* buffer, std::size_t size) override;

 private:
  void open();
  void check_length(http_client::Reply& reply) const;
  void skip(http_client::Reply& reply) const;
  void finish();

  Repository& owner_;
  const Url url_;
  const Stretch stretch_;
  const Ranges ranges_;
  std::uint64_t at_;
  int failures_ = 0;         ///< since the last that was worth its while
  std::uint64_t since_ = 0;  ///< bytes that have come since the last failure
  std::unique_ptr<Exchange> exchange_;
};

class RangeFetch;

/// A blob from some byte to its end. If it is long and its reader waits for the line more than for anything else, the
/// rest comes in ranges over several lines, a few MiB ahead.
class BlobReader final : public ByteSource {
 public:
  BlobReader(Repository& owner, Url url, std::uint64_t start, std::uint64_t size);
  ~BlobReader() override;
  std::size_t read(char* buffer, std::size_t size) override;

 private:
  using Clock = std::chrono::steady_clock;
  void consider_ranges();

  Repository& owner_;
  const Url url_;
  const std::uint64_t start_, size_;
  std::uint64_t at_;
  std::optional<BlobLine> line_;
  std::unique_ptr<RangeFetch> ranges_;
  bool decided_ = false;
  std::optional<Clock::time_point> began_;
  Clock::duration waited_{};
};

}  // namespace berth::registry
