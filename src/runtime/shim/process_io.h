#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/sys/fd.h"
#include "runtime/init/container.h"
#include "runtime/shim/attached_client.h"
#include "runtime/shim/json_log.h"
#include "runtime/shim/loop.h"
#include "runtime/shim/protocol.h"

namespace berth::runtime::shim {

/// What all streams of a monitor share, so that an idle one holds nothing.
struct StreamMemory {
  Buffer buffer{256 * 1024};
  bool touched = false;  ///< something is there to be released when the monitor idles
  char* data() {
    touched = true;
    return buffer.data();
  }
};

/// Standard streams of one process (the container's first, or an exec): takes its output to the log and to attached
/// clients, and clients' input to it. A client that doesn't read in time stops the reading of the output, so the
/// process waits (as with Docker) and memory stays bounded.
class ProcessIo {
 public:
  struct Options {
    bool terminal = false;
    bool open_stdin = false;
    bool stdin_once = false;  ///< end of the first feeding client's input is the end of stdin (never with a terminal)
  };

  /// `log` may be null: output without clients is dropped then.
  ProcessIo(Loop& loop, StreamMemory& memory, JsonLog* log, Options options);
  ~ProcessIo();
  ProcessIo(ProcessIo&&) = delete;

  /// Makes the pipes; the child's ends. With a terminal nothing.
  init::StandardStreams make_pipes();
  void set_terminal(sys::UniqueFd master);
  /// Inodes of the pipes; 0 for one that is closed or was never made.
  struct Pipes {
    std::uint64_t input = 0, output = 0, error = 0;
  };
  Pipes pipes() const;
  bool terminal() const { return options_.terminal; }
  void resize(std::uint16_t rows, std::uint16_t columns);

  /// `detached` of the owner is called when the client typed its keys.
  void attach(sys::UniqueFd socket, Attach attach);
  /// End of file for the process, as soon as it has what came before.
  void end_input();

  /// The process has ended: takes what it left in its pipes.
  void drain();
  /// After drain(): closes each client as soon as it has got everything. Apart, since who sees its stream end may ask
  /// at once how the process ended, and that must have been reported by then.
  void release_clients();
  bool over() const { return ended_ && clients_.empty(); }
  bool has_clients() const { return !clients_.empty(); }
  bool take_detached() { return std::exchange(detached_, false); }

 private:
  friend class AttachedClient;

  struct Output : Watcher {
    Output(ProcessIo& owner, Stream which) : io(owner), stream(which) {}
    void ready(std::uint32_t events) override {
      io.read_output(*this);
      (void)events;
    }
    ProcessIo& io;
    Stream stream;
    sys::UniqueFd fd;
    std::string carry;
    bool watched = false, enlarged = false;
  };
  struct Input : Watcher {
    explicit Input(ProcessIo& owner) : io(owner) {}
    void ready(std::uint32_t events) override {
      io.write_input();
      (void)events;
    }
    ProcessIo& io;
    sys::UniqueFd fd;
    std::string pending;
    bool watched = false, closing = false, enlarged = false;
  };

  void read_output(Output& output);
  bool read_once(Output& output);
  void end_output(Output& output);
  void deliver(Stream stream, std::string_view bytes);
  void watch_outputs();
  void watch(Output& output, bool wanted);
  void write_input();
  void watch_input(bool wanted);

  // For clients.
  bool input_blocked() const;  ///< no client may be read from now
  void take_input(std::string_view bytes);
  void input_ended();
  void close_input();
  void client_changed() { watch_outputs(); }
  void remove(AttachedClient& client);

  Loop& loop_;
  StreamMemory& memory_;
  JsonLog* log_;
  Options options_;
  Output out_{*this, Stream::out}, err_{*this, Stream::err};
  Input input_{*this};
  bool input_expected_;
  std::uint16_t rows_ = 0, columns_ = 0;
  bool ended_ = false, detached_ = false;
  std::vector<std::unique_ptr<AttachedClient>> clients_;
};

}  // namespace berth::runtime::shim
