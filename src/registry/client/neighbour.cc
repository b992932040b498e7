#include "registry/client/neighbour.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"
#include "base/sys/socket.h"

namespace berth::registry::neighbour {

namespace {

constexpr std::chrono::seconds kPatience{15};
constexpr std::uint64_t kMarkEvery = 4 << 20;  ///< so far the registry's hashing is behind
constexpr std::size_t kNameDigits = 32, kMostAnswerBytes = 512;

bool is_trusted(sys::FdRef socket) {
  const uid_t uid = sys::peer_credentials(socket).uid;
  return uid == 0 || uid == ::geteuid();
}

class FileSource final : public ByteSource {
 public:
  FileSource(sys::UniqueFd file, std::uint64_t size, Connections& interruptible)
      : file_(std::move(file)), left_(size), interruptible_(interruptible) {}

  std::size_t read(char* buffer, std::size_t size) override {
    interruptible_.pause(std::chrono::milliseconds{0});
    const std::size_t wanted = std::min<std::uint64_t>(size, left_);
    if (sys::read_full(file_, buffer, wanted) != wanted) throw Error{ErrorKind::unavailable, "unexpected EOF"};
    left_ -= wanted;
    return wanted;
  }

 private:
  sys::UniqueFd file_;
  std::uint64_t left_;
  Connections& interruptible_;
};

/// Adds what has come; false at the end, also where it was hung up on what we sent.
bool read_more(http_client::Connection& line, std::string& text) {
  char piece[256];
  try {
    const std::size_t got = line.read(piece, sizeof piece);
    text.append(piece, got);
    return got > 0;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

std::optional<std::string> socket_path(std::string_view folder, std::string_view name) {
  if (folder.empty() || name.size() != kNameDigits || !is_hex(name)) return std::nullopt;
  return cat(folder, "/", name, ".sock");
}

std::optional<Handover> ask(const std::string& socket, Call call) {
  try {
    std::optional<sys::UniqueFd> connected = sys::connect_unix(socket, SOCK_STREAM);
    if (!connected || !is_trusted(*connected)) return std::nullopt;
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    std::unique_ptr<http_client::Connection> connection = http_client::open_plain(std::move(*connected), deadline);
    call.headers.emplace_back("Connection", "Upgrade");
    call.headers.emplace_back("Upgrade", kUpgrade);
    connection->write(request_text(call, {}));
    Handover handover{.line = http_client::Reply{std::move(connection)}, .file = {}};
    handover.line.receive_head(false);
    if (handover.line.status != 101) return std::nullopt;
    // Not before: with the descriptor in them, the bytes behind the head must not be read as part of it.
    http_client::Connection& line = handover.line.connection();
    line.write({&kGo, 1});
    http_client::wait_ready(line.fd(), POLLIN, deadline);
    std::optional<sys::Message> message = sys::receive_message(line.fd());
    if (!message || message->fds.size() != 1) return std::nullopt;
    handover.file = std::move(message->fds.front());
    line.set_deadline(http_client::kNoDeadline);
    return handover;
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::unique_ptr<ByteSource> open_blob(Handover handover, std::uint64_t size, Connections& interruptible) {
  struct stat info{};
  if (::fstat(handover.file.get(), &info) != 0 || static_cast<std::uint64_t>(info.st_size) != size) return nullptr;
  return std::make_unique<FileSource>(std::move(handover.file), size, interruptible);
}

Upload::Upload(Handover handover, std::uint64_t start, Connections& interruptible)
    : handover_(std::move(handover)), interruptible_(interruptible), written_(start), told_(start) {}

void Upload::write(std::string_view bytes) {
  interruptible_.pause(std::chrono::milliseconds{0});
  try {
    sys::write_all(handover_.file, bytes);
  } catch (Error& error) {
    error.during("writing to the registry's disk");
    throw;
  }
  written_ += bytes.size();
  if (written_ - told_ >= kMarkEvery) tell(written_);
}

/// Until the registry takes or says something, unless it does neither for as long as it may be silent.
void Upload::wait_for(short events) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point deadline = Clock::now() + interruptible_.silence();
  pollfd watched{.fd = handover_.line.connection().fd().get(), .events = events, .revents = 0};
  constexpr int kLookForInterruptMs = 500;
  while (sys::retry_on_eintr([&] { return ::poll(&watched, 1, kLookForInterruptMs); }) == 0) {
    interruptible_.pause(std::chrono::milliseconds{0});
    if (Clock::now() >= deadline) throw Error{ErrorKind::unavailable, "i/o timeout", ETIMEDOUT};
  }
}

void Upload::tell(Mark mark) {
  wait_for(POLLOUT);
  try {
    handover_.line.connection().write({reinterpret_cast<const char*>(&mark), sizeof mark});
  } catch (const Error& error) {
    hear();
    throw Error{ErrorKind::unavailable, error.text(), error.error_number()};
  }
  told_ = written_;
  pollfd watched{.fd = handover_.line.connection().fd().get(), .events = POLLIN, .revents = 0};
  while (sys::retry_on_eintr([&] { return ::poll(&watched, 1, 0); }) > 0) {
    if (!listen() || !answer_.empty()) return hear();
  }
}

void Upload::finish() {
  tell(written_ | kLast);
  hear();
}

/// Takes what has come; false at the end.
bool Upload::listen() {
  const bool more = read_more(handover_.line.connection(), answer_);
  answer_.erase(0, std::min(answer_.find_first_not_of(kAlive), answer_.size()));
  return more;
}

/// Throws whatever it says that is not kDone.
void Upload::hear() {
  while (!answer_.starts_with(kDone) && answer_.size() < kMostAnswerBytes) {
    wait_for(POLLIN);
    if (!listen()) break;
  }
  if (answer_.starts_with(kDone)) return;
  if (answer_.starts_with(kRefused)) throw Error{ErrorKind::forbidden, cat("denied: ", answer_.substr(1))};
  throw Error{ErrorKind::unavailable, "the registry dropped the upload"};
}

}  // namespace berth::registry::neighbour
