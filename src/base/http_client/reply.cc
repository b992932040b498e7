#include "base/http_client/reply.h"

#include <algorithm>

#include "base/core/error.h"
#include "base/core/text.h"

namespace berth::http_client {

namespace {
constexpr std::size_t kReadSize = 64 << 10;
constexpr std::size_t kMaxHead = 1 << 20;
}  // namespace

std::string_view Reply::header(std::string_view lower_name) const {
  for (const auto& [name, value] : headers) {
    if (name == lower_name) return value;
  }
  return {};
}

std::size_t Reply::read_raw(char* buffer, std::size_t size) {
  if (buffer_.empty()) return connection_->read(buffer, size);
  const std::size_t count = std::min(size, buffer_.size());
  std::copy_n(buffer_.data(), count, buffer);
  buffer_.erase(0, count);
  return count;
}

std::string Reply::take_line() {
  for (;;) {
    const std::size_t end = buffer_.find('\n');
    if (end != std::string::npos) {
      std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      if (line.ends_with('\r')) line.pop_back();
      return line;
    }
    if (buffer_.size() > kMaxHead) throw system_error("the server's answer is not HTTP");
    const std::size_t old_size = buffer_.size();
    buffer_.resize(old_size + 8192);
    const std::size_t got = connection_->read(buffer_.data() + old_size, 8192);
    buffer_.resize(old_size + got);
    if (got == 0) throw Error{ErrorKind::unavailable, old_size == 0 ? "EOF" : "unexpected EOF"};
  }
}

void Reply::receive_head(bool head_only) {
  read_head();
  choose_framing(head_only);
}

void Reply::read_head() {
  std::size_t seen = 0;  // one endless answer must not fill the memory
  do {                   // 100 Continue and its like come before the answer itself; 101 is an answer
    const std::string line = take_line();
    const std::size_t space = line.find(' ');
    const auto code = space == std::string::npos ? std::nullopt : parse_number<int>(line.substr(space + 1, 3));
    if (!line.starts_with("HTTP/1.") || !code) throw system_error("the server's answer is not HTTP");
    status = *code;
    reason = line.size() > space + 5 ? line.substr(space + 5) : "";
    keep_alive_ = line.starts_with("HTTP/1.1");
    headers.clear();
    if ((seen += line.size() + 2) > kMaxHead) throw system_error("the head of the server's answer is too long");
    for (std::string field = take_line(); !field.empty(); field = take_line()) {
      if ((seen += field.size() + 2) > kMaxHead) throw system_error("the head of the server's answer is too long");
      const std::size_t colon = field.find(':');
      if (colon == std::string::npos) continue;
      headers.emplace_back(to_lower(field.substr(0, colon)), trim(std::string_view{field}.substr(colon + 1)));
    }
  } while (status >= 100 && status < 200 && status != 101);
}

void Reply::choose_framing(bool head_only) {
  if (iequals(header("connection"), "close")) keep_alive_ = false;
  if (head_only || status == 204 || status == 304) {
    framing_ = Framing::none;
  } else if (status == 101) {
    framing_ = Framing::until_close;
  } else if (to_lower(header("transfer-encoding")).find("chunked") != std::string::npos) {
    framing_ = Framing::chunked;
  } else if (const auto length = parse_number<std::size_t>(header("content-length"))) {
    framing_ = Framing::length;
    left_ = *length;
  } else {
    framing_ = Framing::until_close;
    keep_alive_ = false;
  }
  finished_ = framing_ == Framing::none || (framing_ == Framing::length && left_ == 0);
}

bool Reply::next_chunk() {
  if (!first_chunk_) take_line();  // the end of the chunk before
  first_chunk_ = false;
  const std::string line = take_line();
  const auto size = parse_number<std::size_t>(trim(line.substr(0, line.find(';'))), 16);
  if (!size) throw system_error("broken chunk in the server's answer");
  left_ = *size;
  if (left_ > 0) return true;
  std::size_t seen = 0;
  for (std::string trailer = take_line(); !trailer.empty(); trailer = take_line()) {
    if ((seen += trailer.size() + 2) > kMaxHead) throw system_error("the trailers of the server's answer are too long");
  }
  return false;
}

std::size_t Reply::read(char* buffer, std::size_t size) {
  if (finished_) return 0;
  if (framing_ == Framing::chunked && left_ == 0 && !next_chunk()) {
    finished_ = true;
    return 0;
  }
  const bool bounded = framing_ != Framing::until_close;
  const std::size_t got = read_raw(buffer, bounded ? std::min(size, left_) : size);
  if (got == 0) {
    finished_ = true;
    keep_alive_ = false;
    if (bounded) throw Error{ErrorKind::unavailable, "unexpected EOF"};
    return 0;
  }
  if (bounded) left_ -= got;
  if (framing_ == Framing::length && left_ == 0) finished_ = true;
  return got;
}

std::string Reply::read_all(std::size_t limit) {
  std::string body;
  for (;;) {
    const std::size_t old_size = body.size();
    body.resize(old_size + kReadSize);
    const std::size_t got = read(body.data() + old_size, kReadSize);
    body.resize(old_size + got);
    if (got == 0) return body;
    if (body.size() > limit) throw system_error("the server's answer is too long");
  }
}

std::optional<std::string> Reply::read_line() {
  for (;;) {
    const std::size_t end = line_.find('\n');
    if (end != std::string::npos) {
      std::string line = line_.substr(0, end);
      line_.erase(0, end + 1);
      if (line.ends_with('\r')) line.pop_back();
      return line;
    }
    char piece[8192];
    const std::size_t got = read(piece, sizeof piece);
    if (got == 0) {
      if (line_.empty()) return std::nullopt;
      return std::exchange(line_, {});
    }
    line_.append(piece, got);
  }
}

std::unique_ptr<Connection> Reply::release_idle() {
  if (!finished_ || !keep_alive_ || !buffer_.empty()) return nullptr;
  return std::move(connection_);
}

Connection& Reply::stream(std::string& early) {
  early = std::exchange(buffer_, {});
  return *connection_;
}

}  // namespace berth::http_client
