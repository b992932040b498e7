#pragma once

#include <termios.h>

#include <optional>
#include <string>
#include <string_view>

namespace berth::cli {

bool is_terminal(int fd);

struct TerminalSize {
  int rows = 0, columns = 0;
};
std::optional<TerminalSize> terminal_size(int fd);

/// Our terminal in raw mode, so that every key reaches the container; as it was before when this ends.
class RawTerminal {
 public:
  explicit RawTerminal(int fd);  ///< throws system
  ~RawTerminal();
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;

 private:
  int fd_;
  termios before_{};
};

/// "ctrl-p,ctrl-q" as the bytes a terminal sends; throws invalid for unknown keys.
std::string parse_detach_keys(const std::string& keys);

/// Finds the detach keys in what is typed. What might be their beginning is held back until it is clear.
class DetachWatch {
 public:
  explicit DetachWatch(std::string keys) : keys_(std::move(keys)) {}
  /// Bytes to pass on; nullopt once the keys were typed.
  std::optional<std::string> feed(std::string_view typed);

 private:
  std::string keys_;
  std::size_t matched_ = 0;
};

}  // namespace berth::cli
