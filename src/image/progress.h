#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include "base/core/stream.h"

namespace berth::image {

/// Docker's progress messages: one JSON object a line (CR LF), which the client draws.
/// Spec: moby pkg/jsonmessage.
class Progress {
 public:
  Progress(ByteSink& sink, bool quiet) : sink_(sink), quiet_(quiet) {}

  void stream(std::string_view text);    ///< {"stream":"Loaded image: busybox:latest\n"}; also when quiet
  void status(std::string_view text);    ///< {"status":"sha256:…"}; also when quiet
  void error(std::string_view message);  ///< {"errorDetail":{"message":…},"error":…}; also when quiet
  /// {"status":…,"progressDetail":{"current":…,"total":…},"progress":"[==> ] 1MB/2MB","id":…}; without an id if that is
  /// ""
  void advance(std::string_view action, std::string_view id, std::uint64_t current, std::uint64_t total);
  /// {"status":"Pull complete","progressDetail":{},"id":…}: how far a layer is
  void step(std::string_view action, std::string_view id);
  /// {"status":"Pulling from library/busybox","id":"latest"}
  void headline(std::string_view text, std::string_view id);
  /// {"progressDetail":{},"aux":{…}}: for programs
  void aux(std::string_view json);

 private:
  void line(std::string_view json);
  std::mutex mutex_;  ///< lines of several threads don't mix
  ByteSink& sink_;
  bool quiet_;
};

/// "1.5kB": decimal units, four digits, as docker prints sizes.
std::string human_size(std::uint64_t bytes);

/// Counts what is read and shows it, ten times a second at most, beginning after `delay`.
class ProgressSource : public ByteSource {
 public:
  ProgressSource(ByteSource& origin, Progress& progress, std::string action, std::string id, std::uint64_t total,
                 std::chrono::milliseconds delay);
  std::size_t read(char* buffer, std::size_t size) override;

 private:
  ByteSource& origin_;
  Progress& progress_;
  std::string action_, id_;
  std::uint64_t total_, current_ = 0, shown_ = 0;
  std::chrono::steady_clock::time_point next_;
};

/// Passes bytes on and shows how many, ten times a second at most.
class ProgressSink : public ByteSink {
 public:
  ProgressSink(ByteSink& target, Progress& progress, std::string action, std::string id, std::uint64_t total)
      : target_(target), progress_(progress), action_(std::move(action)), id_(std::move(id)), total_(total) {}
  void write(std::string_view bytes) override;

 private:
  ByteSink& target_;
  Progress& progress_;
  const std::string action_, id_;
  std::uint64_t total_, current_ = 0;
  std::chrono::steady_clock::time_point next_{};
};

}  // namespace berth::image
