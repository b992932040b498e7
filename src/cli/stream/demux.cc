#include "cli/stream/demux.h"

#include <algorithm>

#include "base/core/error.h"
#include "base/core/text.h"

namespace berth::cli {

void Demultiplexer::feed(std::string_view bytes) {
  while (!bytes.empty()) {
    if (left_ > 0) {
      const std::string_view piece = bytes.substr(0, left_);
      sink_.write(head_[0] == 2 ? 2 : 1, piece);
      bytes.remove_prefix(piece.size());
      left_ -= static_cast<std::uint32_t>(piece.size());
      continue;
    }
    const std::size_t count = std::min(head_.size() - head_size_, bytes.size());
    std::copy_n(bytes.data(), count, reinterpret_cast<char*>(head_.data()) + head_size_);
    head_size_ += count;
    bytes.remove_prefix(count);
    if (head_size_ < head_.size()) return;
    head_size_ = 0;
    if (head_[0] > 3) throw system_error(cat("Unrecognized input header: ", head_[0]));
    left_ = std::uint32_t{head_[4]} << 24 | std::uint32_t{head_[5]} << 16 | std::uint32_t{head_[6]} << 8 | head_[7];
  }
}

}  // namespace berth::cli
