#include "registry/client/blob_reader.h"

#include <algorithm>
#include <cerrno>

#include "base/core/error.h"
#include "base/core/text.h"
#include "registry/client/answer.h"
#include "registry/client/headers.h"
#include "registry/client/range_fetch.h"

namespace berth::registry {

namespace {
constexpr std::chrono::milliseconds kFirstPause{200}, kLongestPause{8'000};
constexpr std::uint64_t kWorthwhile = 16 << 10;  // so much between two failures is progress
constexpr int kTriesOfSilence = 3;               // as many as another failure counts
constexpr std::uint64_t kTrialBytes = 4 << 20;   // of one line, before more are considered
constexpr std::uint64_t kWorthBytes = 8 << 20;   // left, so that more lines pay
}  // namespace

BlobLine::BlobLine(Repository& owner, Url url, Stretch stretch, Ranges ranges)
    : owner_(owner), url_(std::move(url)), stretch_(stretch), ranges_(ranges), at_(stretch.from) {}

std::size_t BlobLine::read(char* buffer, std::size_t size) {
  if (at_ == stretch_.to) {
    exchange_.reset();
    return 0;
  }
  const std::size_t wanted = std::min<std::uint64_t>(size, stretch_.to - at_);
  for (;;) {
    try {
      if (!exchange_) open();
      const std::size_t got = exchange_->reply().read(buffer, wanted);
      if (got == 0) throw Error{ErrorKind::unavailable, "unexpected EOF"};
      at_ += got;
      since_ += got;
      if (at_ == stretch_.to) finish();
      return got;
    } catch (const Error& error) {
      exchange_.reset();
      if (std::exchange(since_, 0) >= kWorthwhile) failures_ = 0;
      failures_ += error.error_number() == ETIMEDOUT ? kTriesOfSilence : 1;
      if (error.kind() != ErrorKind::unavailable || failures_ > owner_.policy_.attempts) throw;
    }
    owner_.connections_.pause(std::min(kFirstPause * (1 << std::min(failures_ - 1, 10)), kLongestPause));
  }
}

void BlobLine::open() {
  const bool to_the_end = stretch_.to == stretch_.size;
  Call call{.url = url_};
  if (at_ > 0 || !to_the_end) {
    call.headers.emplace_back("Range", cat("bytes=", at_, "-", to_the_end ? "" : cat(stretch_.to - 1)));
  }
  exchange_ = owner_.ask(std::move(call));
  http_client::Reply& reply = exchange_->reply();
  if (reply.status == 206 && (at_ > 0 || !to_the_end)) {
    const auto sent = parse_content_range(reply.header("content-range"));
    if (!sent || sent->first != at_ || sent->last >= stretch_.to ||
        sent->total.value_or(stretch_.size) != stretch_.size) {
      throw system_error(cat("the registry sent another range of ", url_.text(), " than was asked for"));
    }
    return;
  }
  if (reply.status != 200) throw failure_of(reply);
  if (ranges_ == Ranges::required) throw not_implemented(cat(url_.text(), " is not given in ranges"));
  check_length(reply);
  skip(reply);
}

void BlobLine::check_length(http_client::Reply& reply) const {
  const auto length = parse_number<std::uint64_t>(reply.header("content-length"));
  if (length && *length != stretch_.size) {
    throw system_error(
        cat("size validation failed: ", url_.text(), " has ", *length, " bytes, expected ", stretch_.size));
  }
}

/// A server without ranges begins anew.
void BlobLine::skip(http_client::Reply& reply) const {
  char piece[16 << 10];
  for (std::uint64_t left = at_; left > 0;) {
    const std::size_t got = reply.read(piece, std::min<std::uint64_t>(left, sizeof piece));
    if (got == 0) throw Error{ErrorKind::unavailable, "unexpected EOF"};
    left -= got;
  }
}

/// More than was promised is as wrong as less.
void BlobLine::finish() {
  char byte;
  if (exchange_->reply().read(&byte, 1) != 0) {
    throw system_error(cat("size validation failed: ", url_.text(), " has more than ", stretch_.size, " bytes"));
  }
  exchange_.reset();
}

BlobReader::BlobReader(Repository& owner, Url url, std::uint64_t start, std::uint64_t size)
    : owner_(owner), url_(std::move(url)), start_(start), size_(size), at_(start) {}

BlobReader::~BlobReader() = default;

std::size_t BlobReader::read(char* buffer, std::size_t size) {
  if (!began_) began_ = Clock::now();
  if (!decided_) consider_ranges();
  if (ranges_) {
    try {
      const std::size_t got = ranges_->read(buffer, size);
      at_ += got;
      return got;
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::not_implemented) throw;
      ranges_.reset();  // one line it is
    }
  }
  if (!line_) {
    line_.emplace(owner_, url_, BlobLine::Stretch{.from = at_, .to = size_, .size = size_}, BlobLine::Ranges::wanted);
  }
  const Clock::time_point before = Clock::now();
  const std::size_t got = line_->read(buffer, size);
  waited_ += Clock::now() - before;
  at_ += got;
  return got;
}

/// Where unpacking is what takes the time, as with a registry nearby, more lines would only cost memory.
void BlobReader::consider_ranges() {
  if (at_ - start_ < kTrialBytes) return;
  decided_ = true;
  if (size_ - at_ < kWorthBytes || waited_ * 3 < (Clock::now() - *began_) * 2) return;
  line_.reset();
  ranges_ = std::make_unique<RangeFetch>(owner_, url_, at_, size_);
}

}  // namespace berth::registry
