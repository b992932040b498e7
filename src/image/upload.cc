#include "image/upload.h"

#include <algorithm>

#include "base/core/error.h"

namespace berth::image {

namespace {

constexpr int kMostTries = 4;
constexpr std::uint64_t kWorthwhile = 16 << 10;

/// Lets only what comes after the first `skip` bytes through, and raises `reached` to how far the blob got.
class TailSink final : public ByteSink {
 public:
  TailSink(ByteSink& target, std::uint64_t skip, std::uint64_t& reached)
      : target_(target), skip_(skip), reached_(reached) {}
  void write(std::string_view bytes) override {
    position_ += bytes.size();
    reached_ = std::max(reached_, position_);
    const std::uint64_t dropped = std::min<std::uint64_t>(skip_, bytes.size());
    skip_ -= dropped;
    if (dropped < bytes.size()) target_.write(bytes.substr(dropped));
  }

 private:
  ByteSink& target_;
  std::uint64_t skip_, position_ = 0;
  std::uint64_t& reached_;
};

}  // namespace

void send_blob(Remote& remote, const std::function<std::string(ByteSink&)>& produce,
               const std::function<void()>& retrying) {
  std::unique_ptr<Remote::Upload> upload = remote.begin_blob();
  std::uint64_t there = 0, reached = 0, best = 0;
  for (int tries = 1;; ++tries) {
    try {
      TailSink tail{*upload, there, reached};
      upload->finish(produce(tail));
      return;
    } catch (const Error& error) {
      if (tries == kMostTries || error.kind() != ErrorKind::unavailable) throw;
    }
    retrying();
    try {
      there = upload->resume();
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::cancelled) throw;
      upload = remote.begin_blob();
      there = reached = 0;
    }
    if (there > reached) throw system_error("the registry claims to have more of the blob than was sent");
    if (there < best + kWorthwhile) continue;
    best = there;
    tries = 0;  // only tries in vain count
  }
}

bool send_kept_blob(Remote& remote, const KeptBlob& blob, Progress& progress, const std::string& id) {
  const auto produce = [&](ByteSink& target) {
    ProgressSink shown{target, progress, "Pushing", id, blob.size};
    write_kept_blob(blob, shown);
    return blob.digest;
  };
  try {
    send_blob(remote, produce, [&] { progress.step("Retrying", id); });
    return true;
  } catch (const DamagedBlob&) {
    return false;
  }
}

}  // namespace berth::image
