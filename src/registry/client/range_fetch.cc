#include "registry/client/range_fetch.h"

#include <algorithm>
#include <cstring>
#include <system_error>

#include "registry/client/blob_reader.h"

namespace berth::registry {

namespace {
// What a pull costs in memory is counted: six pieces for each layer under way.
constexpr std::uint64_t kPieceBytes = 1 << 20;
constexpr std::size_t kLines = 4, kMostPieces = 6;
}  // namespace

RangeFetch::RangeFetch(Repository& owner, Url url, std::uint64_t from, std::uint64_t size)
    : owner_(owner), url_(std::move(url)), size_(size), next_(from) {
  for (std::size_t i = 0; i < kLines; ++i) {
    try {
      threads_.emplace_back([this] { run(); });
    } catch (const std::system_error&) {
      if (threads_.empty()) throw;
      break;  // no more threads are to be had: it goes with fewer lines, too
    }
  }
}

RangeFetch::~RangeFetch() {
  {
    const std::lock_guard lock{mutex_};
    stop_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

std::shared_ptr<RangeFetch::Piece> RangeFetch::begin_piece(std::uint64_t& from) {
  std::unique_lock lock{mutex_};
  changed_.wait(lock, [&] { return stop_ || next_ == size_ || pieces_.size() < kMostPieces; });
  if (stop_ || next_ == size_) return nullptr;
  from = next_;
  auto piece = std::make_shared<Piece>();
  piece->bytes.resize(std::min(kPieceBytes, size_ - next_));
  next_ += piece->bytes.size();
  pieces_.push_back(piece);
  return piece;
}

void RangeFetch::fetch(Piece& piece, std::uint64_t from) {
  BlobLine line{
      owner_, url_, {.from = from, .to = from + piece.bytes.size(), .size = size_}, BlobLine::Ranges::required};
  for (std::size_t have = 0; have < piece.bytes.size();) {
    have += line.read(piece.bytes.data() + have, piece.bytes.size() - have);
    const std::lock_guard lock{mutex_};
    if (stop_) return;
  }
  char end = 0;
  line.read(&end, 1);  // so that the connection can be used for the next piece
}

void RangeFetch::run() {
  try {
    std::uint64_t from = 0;
    while (const std::shared_ptr<Piece> piece = begin_piece(from)) {
      fetch(*piece, from);
      const std::lock_guard lock{mutex_};
      piece->complete = true;
      changed_.notify_all();
    }
  } catch (...) {
    const std::lock_guard lock{mutex_};
    if (!failure_) failure_ = std::current_exception();
    stop_ = true;
    changed_.notify_all();
  }
}

std::size_t RangeFetch::read(char* buffer, std::size_t size) {
  std::unique_lock lock{mutex_};
  changed_.wait(lock, [this] { return failure_ || (pieces_.empty() ? next_ == size_ : pieces_.front()->complete); });
  if (failure_) std::rethrow_exception(failure_);
  if (pieces_.empty()) return 0;
  const std::shared_ptr<Piece> piece = pieces_.front();
  const std::size_t got = std::min(size, piece->bytes.size() - given_);
  std::memcpy(buffer, piece->bytes.data() + given_, got);
  given_ += got;
  if (given_ == piece->bytes.size()) {
    pieces_.pop_front();
    given_ = 0;
    changed_.notify_all();
  }
  return got;
}

}  // namespace berth::registry
