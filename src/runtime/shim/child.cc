#include "runtime/shim/child.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/sys/socket.h"

namespace berth::runtime::shim {

ChildProcess::ChildProcess(Loop& loop, StreamMemory& memory, Log* log, ProcessIo::Options options, Handlers handlers)
    : loop_(loop), io_(loop, memory, log, options), handlers_(std::move(handlers)) {}

ChildProcess::~ChildProcess() {
  if (sync_) loop_.remove(sync_);
}

sys::UniqueFd ChildProcess::make_sync() {
  auto [ours, theirs] = sys::socket_pair(SOCK_SEQPACKET);
  sync_ = std::move(ours);
  return std::move(theirs);
}

void ChildProcess::forked(namespaces::Forked child) {
  child_ = std::move(child);
  loop_.add(sync_, EPOLLRDHUP, *this);  // nothing that it says on its way has to be heard before the end
}

void ChildProcess::ready(std::uint32_t) { settle(); }

void ChildProcess::hear() {
  std::optional<init::Note> note;
  try {
    note = init::receive(sync_);
  } catch (const Error&) {
    // A pair that broke in the middle is at its end.
  }
  take(std::move(note));
}

void ChildProcess::take(std::optional<init::Note> note) {
  if (!note) return decide();
  switch (note->word) {
    case init::Word::console: io_.set_terminal(std::move(note->fd)); break;
    case init::Word::executing: executing_ = true; break;
    case init::Word::failed: failure_ = std::move(note->failure); break;
    default: break;  // words of the other direction
  }
}

/// The child's end is closed: by execve, or by its death.
void ChildProcess::decide() {
  loop_.remove(sync_);
  sync_.reset();
  if (!failure_ && !executing_) {
    failure_ = init::Failure{Stage::setup, 0, "the container's process was killed while it was set up"};
  }
  state_ = failure_ ? State::failed : State::started;
  if (failure_) {
    handlers_.failed(*failure_);
  } else {
    handlers_.started();
  }
}

void ChildProcess::settle() {
  while (state_ == State::starting && sync_) hear();
}

}  // namespace berth::runtime::shim
