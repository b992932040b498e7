#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "base/core/binary.h"
#include "base/core/error.h"
#include "base/sys/file.h"
#include "logsink/compress.h"
#include "logsink/forwarder.h"

namespace {

constexpr int kMonitor = 3, kConfig = 4;
constexpr int kNice = 10;  // compression is never urgent

int forward(bool must_connect) {
  using namespace berth;
  for (const int signal : {SIGHUP, SIGINT, SIGTERM, SIGPIPE}) ::signal(signal, SIG_IGN);  // it ends with its shim
  ::setsid();
  sys::UniqueFd monitor{kMonitor};
  logsink::Config config;
  {
    const sys::UniqueFd file{kConfig};
    config = binary::decode<logsink::Config>(sys::read_all(file));
  }
  return logsink::Forwarder{std::move(config), std::move(monitor)}.run(must_connect);
}

int compress() {
  using berth::sys::FdRef;
  ::setpriority(PRIO_PROCESS, 0, kNice);
  berth::logsink::compress(FdRef::borrow(STDIN_FILENO), FdRef::borrow(STDOUT_FILENO));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string task = argc == 2 ? argv[1] : "";
  try {
    if (task == "forward" || task == "resume") return forward(task == "forward");
    if (task == "compress") return compress();
  } catch (const std::exception& error) {
    const std::string line = std::string{"berth-logger: "} + error.what() + "\n";
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
    return 1;
  }
  constexpr char kUsage[] = "berth-logger is run by berth-shim\n";
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, kUsage, sizeof kUsage - 1);
  return 2;
}
