#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/core/error.h"
#include "base/sys/fd.h"
#include "runtime/shim/protocol.h"

/// What a container's first process and its monitor tell each other before the program runs, over a SEQPACKET pair.
/// The pair closes by itself when the program is executed.
namespace berth::runtime::init {

enum class Word : std::uint8_t {
  // monitor to child
  mapped = 1,  ///< uid_map and gid_map are written
  go,          ///< in its cgroups, init record written: may execute once all else is ready
  network,     ///< with the namespace's descriptor
  // child to monitor
  console,    ///< with the terminal's master
  executing,  ///< the next thing is execve(2): when the pair closes now, it has worked
  failed,     ///< Failure
};

struct Failure {
  shim::Stage stage{};
  std::int32_t error_number = 0;
  std::string message;
  static void describe(auto& self, auto&& field) {
    field("stage", self.stage);
    field("error_number", self.error_number);
    field("message", self.message);
  }
};

struct Note {
  Word word{};
  Failure failure;
  sys::UniqueFd fd;
};

void send(sys::FdRef socket, Word word, std::optional<int> fd = std::nullopt);
void send_failure(sys::FdRef socket, const Failure& failure);
/// nullopt at the end of the connection. Blocks unless the socket doesn't.
std::optional<Note> receive(sys::FdRef socket);

/// The child's end: it waits for words in any order. The monitor's death ends the process.
class ChildSync {
 public:
  explicit ChildSync(sys::UniqueFd socket) : socket_(std::move(socket)) {}
  void wait_for(Word word);
  sys::UniqueFd take_network();
  const sys::UniqueFd& socket() const { return socket_; }

 private:
  sys::UniqueFd socket_, network_;
  std::uint32_t seen_ = 0;
};

}  // namespace berth::runtime::init
