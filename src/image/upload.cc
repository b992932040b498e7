#include "image/upload.h"

#include <algorithm>

#include "base/core/error.h"

namespace berth::image {

namespace {

constexpr int kMostTries = 4;

/// Lets only what comes after the first `skip` bytes through.
class TailSink final : public ByteSink {
 public:
  TailSink(ByteSink& target, std::uint64_t skip) : target_(target), skip_(skip) {}
  void write(std::string_view bytes) override {
    const std::uint64_t dropped = std::min<std::uint64_t>(skip_, bytes.size());
    skip_ -= dropped;
    if (dropped < bytes.size()) target_.write(bytes.substr(dropped));
  }

 private:
  ByteSink& target_;
  std::uint64_t skip_;
};

}  // namespace

void send_blob(Remote& remote, const std::function<std::string(ByteSink&)>& produce,
               const std::function<void()>& retrying) {
  std::unique_ptr<Remote::Upload> upload = remote.begin_blob();
  std::uint64_t there = 0;
  for (int tries = 1;; ++tries) {
    try {
      TailSink tail{*upload, there};
      upload->finish(produce(tail));
      return;
    } catch (const Error& error) {
      if (tries == kMostTries || error.kind() != ErrorKind::unavailable) throw;
    }
    retrying();
    const std::uint64_t before = there;
    try {
      there = upload->resume();
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::cancelled) throw;
      upload = remote.begin_blob();
      there = 0;
    }
    if (there > before) tries = 0;  // only tries in vain count
  }
}

}  // namespace berth::image
