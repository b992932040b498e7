#include "runtime/shim/process_io.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>

#include "base/core/error.h"
#include "base/sys/socket.h"

namespace berth::runtime::shim {
namespace {

constexpr std::size_t kDefaultPipe = 64 * 1024;
constexpr int kLargePipe = 1 << 20;

/// A pipe that was found full gets more room, for good; most containers never need it.
void enlarge(sys::FdRef pipe, bool& done) {
  if (std::exchange(done, true)) return;
  ::fcntl(pipe.get(), F_SETPIPE_SZ, kLargePipe);  // refused to unprivileged users beyond their share: no matter
}

std::uint64_t inode_of(const sys::UniqueFd& pipe) {
  struct stat info{};
  return pipe && ::fstat(pipe.get(), &info) == 0 ? info.st_ino : 0;
}

}  // namespace

ProcessIo::ProcessIo(Loop& loop, StreamMemory& memory, JsonLog* log, Options options)
    : loop_(loop),
      memory_(memory),
      log_(log),
      options_(options),
      input_expected_(options.terminal || options.open_stdin) {}

ProcessIo::~ProcessIo() {
  clients_.clear();
  for (Output* output : {&out_, &err_}) watch(*output, false);
  watch_input(false);
}

init::StandardStreams ProcessIo::make_pipes() {
  init::StandardStreams ends;
  if (options_.terminal) return ends;
  std::tie(out_.fd, ends.output) = sys::make_pipe();
  std::tie(err_.fd, ends.error) = sys::make_pipe();
  sys::set_nonblocking(out_.fd);
  sys::set_nonblocking(err_.fd);
  if (options_.open_stdin) {
    std::tie(ends.input, input_.fd) = sys::make_pipe();
    sys::set_nonblocking(input_.fd);
  }
  watch_outputs();
  return ends;
}

void ProcessIo::set_terminal(sys::UniqueFd master) {
  sys::set_nonblocking(master);
  input_.fd = sys::UniqueFd{::fcntl(master.get(), F_DUPFD_CLOEXEC, 3)};
  if (!input_.fd) throw errno_error("fcntl", "F_DUPFD_CLOEXEC");
  out_.fd = std::move(master);
  out_.enlarged = input_.enlarged = true;
  if (rows_ != 0 || columns_ != 0) resize(rows_, columns_);
  watch_outputs();
  write_input();
}

ProcessIo::Pipes ProcessIo::pipes() const {
  if (options_.terminal) return {};
  return {.input = inode_of(input_.fd), .output = inode_of(out_.fd), .error = inode_of(err_.fd)};
}

void ProcessIo::resize(std::uint16_t rows, std::uint16_t columns) {
  rows_ = rows;
  columns_ = columns;
  if (!options_.terminal || !out_.fd) return;  // as soon as there is one
  const winsize size{.ws_row = rows, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
  if (::ioctl(out_.fd.get(), TIOCSWINSZ, &size) != 0) throw errno_error("ioctl TIOCSWINSZ", "");
}

void ProcessIo::attach(sys::UniqueFd socket, Attach attach) {
  clients_.push_back(
      std::make_unique<AttachedClient>(*this, loop_, std::move(socket), std::move(attach), options_.terminal));
  AttachedClient& client = *clients_.back();
  client.feed_early_data();
  if (ended_ && client.finish()) remove(client);
}

// ---- output ----

void ProcessIo::watch(Output& output, bool wanted) {
  if (output.watched == wanted || !output.fd) return;
  output.watched = wanted;
  if (wanted) {
    loop_.add(output.fd, EPOLLIN, output);
  } else {
    loop_.remove(output.fd);
  }
}

void ProcessIo::watch_outputs() {
  for (Output* output : {&out_, &err_}) {
    const bool blocked = std::ranges::any_of(clients_, [&](const auto& client) { return client->congested(); });
    watch(*output, !blocked && !ended_);
  }
}

void ProcessIo::read_output(Output& output) {
  read_once(output);
  watch_outputs();
}

/// Says whether there may be more now.
bool ProcessIo::read_once(Output& output) {
  if (!output.fd) return false;
  char* const buffer = memory_.data();
  const ssize_t size = sys::retry_on_eintr([&] { return ::read(output.fd.get(), buffer, memory_.buffer.size()); });
  if (size < 0 && errno == EAGAIN) return false;
  if (size <= 0) {  // a terminal says EIO when its last user has closed it
    end_output(output);
    return false;
  }
  const std::string_view bytes{buffer, static_cast<std::size_t>(size)};
  if (bytes.size() >= kDefaultPipe) enlarge(output.fd, output.enlarged);
  if (log_ != nullptr) log_->append(output.stream, bytes, output.carry);
  deliver(output.stream, bytes);
  return true;
}

void ProcessIo::end_output(Output& output) {
  watch(output, false);
  output.fd.reset();
  if (log_ != nullptr) log_->finish(output.stream, output.carry);
}

void ProcessIo::deliver(Stream stream, std::string_view bytes) {
  for (const auto& client : clients_) {
    if (client->wants(stream)) client->send(stream, bytes);
  }
}

void ProcessIo::drain() {
  ended_ = true;
  for (Output* output : {&out_, &err_}) {
    while (read_once(*output)) {
    }
    end_output(*output);
  }
  watch_input(false);
  input_.fd.reset();
}

void ProcessIo::release_clients() {
  std::erase_if(clients_, [](const auto& client) { return client->finish(); });
}

// ---- input ----

bool ProcessIo::input_blocked() const { return input_expected_ && !ended_ && (!input_.fd || !input_.pending.empty()); }

void ProcessIo::take_input(std::string_view bytes) {
  if (!input_expected_ || ended_ || input_.closing || bytes.empty()) return;
  std::size_t done = 0;
  if (input_.fd && input_.pending.empty()) {
    const ssize_t size = sys::retry_on_eintr([&] { return ::write(input_.fd.get(), bytes.data(), bytes.size()); });
    if (size < 0 && errno != EAGAIN) return close_input();  // the program has closed its stdin
    if (size > 0) done = static_cast<std::size_t>(size);
  }
  if (done == bytes.size()) return;
  input_.pending.append(bytes.substr(done));
  if (!input_.fd) return;
  enlarge(input_.fd, input_.enlarged);
  watch_input(true);
}

void ProcessIo::write_input() {
  while (input_.fd && !input_.pending.empty()) {
    const ssize_t size =
        sys::retry_on_eintr([&] { return ::write(input_.fd.get(), input_.pending.data(), input_.pending.size()); });
    if (size < 0 && errno == EAGAIN) return watch_input(true);
    if (size < 0) {
      close_input();
      break;
    }
    input_.pending.erase(0, static_cast<std::size_t>(size));
  }
  std::string{}.swap(input_.pending);
  watch_input(false);
  if (input_.closing) close_input();
  for (const auto& client : clients_) client->update_events();
}

void ProcessIo::watch_input(bool wanted) {
  if (input_.watched == wanted || !input_.fd) return;
  input_.watched = wanted;
  if (wanted) {
    loop_.add(input_.fd, EPOLLOUT, input_);
  } else {
    loop_.remove(input_.fd);
  }
}

void ProcessIo::input_ended() {
  if (options_.stdin_once) end_input();
}

void ProcessIo::end_input() {
  if (options_.terminal) return;  // its end is a key that is typed
  input_.closing = true;
  if (input_.pending.empty()) close_input();
}

void ProcessIo::close_input() {
  watch_input(false);
  input_.fd.reset();
  std::string{}.swap(input_.pending);
  input_expected_ = false;
  for (const auto& client : clients_) client->update_events();
}

void ProcessIo::remove(AttachedClient& client) {
  std::erase_if(clients_, [&](const auto& each) { return each.get() == &client; });
  if (!ended_) watch_outputs();
}

}  // namespace berth::runtime::shim
