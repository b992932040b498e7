#include "base/http/lent.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

#include "base/core/error.h"

namespace berth::http {

// ---- LentBody ----

void LentBody::fail(std::exception_ptr error) {
  {
    const std::lock_guard lock{mutex_};
    error_ = std::move(error);
  }
  socket_.stop();
}

BodyState LentBody::take_back() {
  fail(std::make_exception_ptr(Error{ErrorKind::cancelled, "the request has ended"}));
  return std::move(state_);
}

std::size_t LentBody::fill(char* buffer, std::size_t size) {
  if (!state_.ahead.empty()) {
    const std::size_t count = std::min(size, state_.ahead.size());
    std::memcpy(buffer, state_.ahead.data(), count);
    state_.ahead.erase(0, count);
    return count;
  }
  std::size_t count = 0;
  try {
    count = socket_.receive(buffer, size);
  } catch (const Error&) {
    const std::lock_guard lock{mutex_};
    if (error_) std::rethrow_exception(error_);
    throw;
  }
  if (count == 0) throw invalid("unexpected EOF");
  return count;
}

/// Framing is taken off in the reader's own buffer: what stays moves by some bytes, and is in the cache anyway.
std::size_t LentBody::read(char* buffer, std::size_t size) {
  while (!state_.done()) {
    if (state_.length) {
      const std::size_t count = fill(buffer, static_cast<std::size_t>(std::min<std::uint64_t>(size, state_.remaining)));
      state_.remaining -= count;
      return count;
    }
    const auto [count, behind] = state_.decoder.strip(buffer, fill(buffer, size));
    state_.ahead.insert(0, behind);  // the next request
    if (count != 0) return count;
  }
  return 0;
}

// ---- LentAnswer ----

/// What stands before `size` bytes of data.
std::string LentAnswer::framing(std::uint64_t size) {
  begun_ = true;
  std::string text = std::exchange(head_, {});
  if (!chunked_) return text;
  char digits[16];
  text.append(digits, std::to_chars(digits, digits + sizeof digits, size, 16).ptr);
  text += "\r\n";
  return text;
}

void LentAnswer::write(std::string_view bytes) {
  if (bytes.empty()) return;  // an empty chunk would be the end
  const std::string before = framing(bytes.size());
  socket_.send({before, bytes, chunked_ ? "\r\n" : ""});
}

bool LentAnswer::write_file(int fd, std::uint64_t offset, std::uint64_t size) {
  if (size == 0) return true;
  const std::string before = framing(size);
  socket_.send({before, {}, {}});
  static constexpr char kZeros[16 << 10] = {};
  for (std::uint64_t left = size - socket_.send_file(fd, offset, size); left != 0;) {
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(left, sizeof kZeros));
    socket_.send({std::string_view{kZeros, count}, {}, {}});
    left -= count;
  }
  if (chunked_) socket_.send({"\r\n", {}, {}});
  return true;
}

}  // namespace berth::http
