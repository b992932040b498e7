#include "apps/berthd/registry_process.h"

#include <csignal>

#include <algorithm>

#include "apps/berthd/options.h"
#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"
#include "base/sys/socket.h"

namespace berth {

namespace {

constexpr std::chrono::milliseconds kFirstPause{100}, kLongestPause{30'000};
constexpr std::chrono::seconds kHealthyAfter{10}, kPatience{15};  // it lets requests end for 10 s

/// Before any container: descriptors, namespaces and environment are the host's.
std::vector<std::string> plain_environment() {
  return {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"};
}

}  // namespace

RegistryProcess::RegistryProcess(EventLoop& loop, const Logger& log, const daemon::Settings& settings,
                                 const std::string& data_root, const std::string& exec_root)
    : log_(log), changed_(loop) {
  const std::vector<std::string>& addresses = settings.list("registry");
  if (addresses.empty()) return;
  arguments_ = {find_helper("berth"),
                "registry",
                "serve",
                "--until-eof",
                "--root=" + data_root + "/registry",
                "--neighbours=" + exec_root + "/registries"};
  for (const std::string& address : addresses) arguments_.push_back("--addr=" + address);
  for (const auto& [name, value] : settings.map("registry-opts")) arguments_.push_back(cat("--", name, "=", value));
}

void RegistryProcess::start() {
  auto [ours, theirs] = sys::socket_pair(SOCK_STREAM);
  const int input = theirs.get();
  child_ = sys::spawn({.program = arguments_.front(),
                       .arguments = arguments_,
                       .environment = plain_environment(),
                       .descriptors = {{input, 0}, {2, 1}, {2, 2}},
                       .new_session = true});
  life_line_ = std::move(ours);
}

Task<void> RegistryProcess::run() {
  if (arguments_.empty()) co_return;
  running_ = true;
  std::chrono::milliseconds pause = kFirstPause;
  while (!stopping_) {
    const auto began = std::chrono::steady_clock::now();
    try {
      start();
      co_await async::wait_readable(child_.pidfd());
      const sys::ExitStatus status = child_.wait();
      if (!stopping_) log_.error("registry: ended with ", status.code, ", starting it again in ", pause.count(), " ms");
    } catch (const Error& error) {
      log_.error("registry: ", error.text());
    }
    if (std::chrono::steady_clock::now() - began > kHealthyAfter) pause = kFirstPause;
    if (!stopping_) (void)co_await changed_.wait_for(pause);
    pause = std::min(pause * 2, kLongestPause);
  }
  running_ = false;
  changed_.notify_all();
}

Task<void> RegistryProcess::stop() {
  stopping_ = true;
  life_line_.reset();
  changed_.notify_all();
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (running_) {
    if (std::chrono::steady_clock::now() >= deadline && child_.pid() > 0) child_.kill(SIGKILL);
    (void)co_await changed_.wait_for(std::chrono::milliseconds{100});
  }
}

}  // namespace berth
