#include "cli/stream/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include "base/core/error.h"
#include "base/core/text.h"

namespace berth::cli {

bool is_terminal(int fd) { return ::isatty(fd) == 1; }

std::optional<TerminalSize> terminal_size(int fd) {
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) != 0) return std::nullopt;
  return TerminalSize{size.ws_row, size.ws_col};
}

RawTerminal::RawTerminal(int fd) : fd_(fd) {
  if (::tcgetattr(fd, &before_) != 0) throw errno_error("tcgetattr", "terminal");
  termios raw = before_;
  ::cfmakeraw(&raw);
  raw.c_cc[VMIN] = 1;
  raw.c_cc[VTIME] = 0;
  if (::tcsetattr(fd, TCSANOW, &raw) != 0) throw errno_error("tcsetattr", "terminal");
}

RawTerminal::~RawTerminal() { ::tcsetattr(fd_, TCSANOW, &before_); }

std::string parse_detach_keys(const std::string& keys) {
  std::string out;
  if (keys.empty()) return "\x10\x11";
  for (const std::string& key : split(keys, ',')) {
    if (key.size() == 1) {
      out += key;
    } else if (key == "DEL") {
      out += '\x7f';
    } else if (key.starts_with("ctrl-") && key.size() == 6) {
      const char letter = key[5];
      constexpr std::string_view kSpecial = "@[\\]^_";
      constexpr std::string_view kCodes{"\0\x1b\x1c\x1d\x1e\x1f", 6};
      const std::size_t special = kSpecial.find(letter);
      if (letter >= 'a' && letter <= 'z')
        out += static_cast<char>(letter - 'a' + 1);
      else if (special != std::string_view::npos)
        out += kCodes[special];
      else
        throw invalid(cat("invalid detach keys (", keys, "): Unknown character: '", key, "'"));
    } else {
      throw invalid(cat("invalid detach keys (", keys, "): Unknown character: '", key, "'"));
    }
  }
  return out;
}

std::optional<std::string> DetachWatch::feed(std::string_view typed) {
  std::string out;
  for (const char c : typed) {
    if (!keys_.empty() && c == keys_[matched_]) {
      if (++matched_ == keys_.size()) return std::nullopt;
      continue;
    }
    out.append(keys_, 0, matched_);
    matched_ = 0;
    if (!keys_.empty() && c == keys_[0]) {
      matched_ = 1;
      if (keys_.size() == 1) return std::nullopt;
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace berth::cli
