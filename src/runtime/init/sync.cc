#include "runtime/init/sync.h"

#include <unistd.h>

#include "base/core/binary.h"
#include "base/sys/socket.h"

namespace berth::runtime::init {

void send(sys::FdRef socket, Word word, std::optional<int> fd) {
  const char byte = static_cast<char>(word);
  sys::send_message(socket, {&byte, 1}, fd ? std::vector<int>{*fd} : std::vector<int>{});
}

void send_failure(sys::FdRef socket, const Failure& failure) {
  sys::send_message(socket, static_cast<char>(Word::failed) + binary::encode(failure));
}

std::optional<Note> receive(sys::FdRef socket) {
  std::optional<sys::Message> message = sys::receive_message(socket, 64 << 10);
  if (!message || message->bytes.empty()) return std::nullopt;
  Note note;
  note.word = static_cast<Word>(message->bytes.front());
  if (note.word == Word::failed) note.failure = binary::decode<Failure>(std::string_view{message->bytes}.substr(1));
  if (!message->fds.empty()) note.fd = std::move(message->fds.front());
  return note;
}

void ChildSync::wait_for(Word word) {
  const auto bit = [](Word which) { return 1U << static_cast<unsigned>(which); };
  while ((seen_ & bit(word)) == 0) {
    std::optional<Note> note = receive(socket_);
    if (!note) ::_exit(1);  // nobody is left who would want this container
    seen_ |= bit(note->word);
    if (note->word == Word::network) network_ = std::move(note->fd);
  }
}

sys::UniqueFd ChildSync::take_network() {
  wait_for(Word::network);
  return std::move(network_);
}

}  // namespace berth::runtime::init
