#include "container/signals.h"

#include <algorithm>
#include <array>
#include <csignal>
#include <optional>
#include <utility>

#include "base/core/error.h"
#include "base/core/text.h"

namespace berth::container {

namespace {

constexpr int kFirstRealtime = 34, kLastRealtime = 64;

constexpr std::array<std::pair<std::string_view, int>, 35> kNames{{
    {"ABRT", SIGABRT},     {"ALRM", SIGALRM},   {"BUS", SIGBUS},   {"CHLD", SIGCHLD}, {"CLD", SIGCHLD},
    {"CONT", SIGCONT},     {"FPE", SIGFPE},     {"HUP", SIGHUP},   {"ILL", SIGILL},   {"INT", SIGINT},
    {"IO", SIGIO},         {"IOT", SIGABRT},    {"KILL", SIGKILL}, {"PIPE", SIGPIPE}, {"POLL", SIGIO},
    {"PROF", SIGPROF},     {"PWR", SIGPWR},     {"QUIT", SIGQUIT}, {"SEGV", SIGSEGV}, {"STKFLT", SIGSTKFLT},
    {"STOP", SIGSTOP},     {"SYS", SIGSYS},     {"TERM", SIGTERM}, {"TRAP", SIGTRAP}, {"TSTP", SIGTSTP},
    {"TTIN", SIGTTIN},     {"TTOU", SIGTTOU},   {"URG", SIGURG},   {"USR1", SIGUSR1}, {"USR2", SIGUSR2},
    {"VTALRM", SIGVTALRM}, {"WINCH", SIGWINCH}, {"XCPU", SIGXCPU}, {"XFSZ", SIGXFSZ}, {"RTMIN", kFirstRealtime},
}};

/// RTMIN, RTMIN+1 to +15, RTMAX-14 to -1, RTMAX: the names that kill(1) and Docker know.
std::optional<int> realtime(std::string_view name) {
  if (name == "RTMAX") return kLastRealtime;
  if (name.starts_with("RTMIN+")) {
    const auto offset = parse_number<int>(name.substr(6));
    if (offset && *offset >= 1 && *offset <= 15) return kFirstRealtime + *offset;
  }
  if (name.starts_with("RTMAX-")) {
    const auto offset = parse_number<int>(name.substr(6));
    if (offset && *offset >= 1 && *offset <= 14) return kLastRealtime - *offset;
  }
  return std::nullopt;
}

}  // namespace

int parse_signal(std::string_view text) {
  if (const auto number = parse_number<int>(text)) {
    if (*number == 0) throw invalid(cat("invalid signal: ", text));
    return *number;
  }
  std::string name{text};
  std::ranges::transform(name, name.begin(), [](char c) { return c >= 'a' && c <= 'z' ? char(c - 32) : c; });
  std::string_view bare = name;
  if (bare.starts_with("SIG")) bare.remove_prefix(3);
  const auto found = std::ranges::find(kNames, bare, &std::pair<std::string_view, int>::first);
  if (found != kNames.end()) return found->second;
  if (const auto number = realtime(bare)) return *number;
  throw invalid(cat("invalid signal: ", text));
}

bool is_signal(int number) {
  return (number >= 1 && number <= 31) || (number >= kFirstRealtime && number <= kLastRealtime);
}

std::string signal_name(int number) {
  const auto found = std::ranges::find(kNames, number, &std::pair<std::string_view, int>::second);
  if (found != kNames.end()) return std::string{found->first};
  if (number > kFirstRealtime && number <= kFirstRealtime + 15) return cat("RTMIN+", number - kFirstRealtime);
  if (number == kLastRealtime) return "RTMAX";
  if (number > kFirstRealtime && number < kLastRealtime) return cat("RTMAX-", kLastRealtime - number);
  return cat(number);
}

}  // namespace berth::container
