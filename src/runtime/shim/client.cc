#include "runtime/shim/client.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>

#include "base/core/binary.h"
#include "base/core/text.h"
#include "base/sys/file.h"
#include "runtime/cgroups/cgroup.h"

#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#include <stdlib.h>
#define BERTH_SANITIZED 1
#endif

namespace berth::runtime::shim {

namespace {

/// Small pieces that were freed join their neighbours at once, instead of being kept for the next allocation: what a
/// start leaves on the heap is then whole free pages, which an idle shim gives back (12 KiB of each).
constexpr std::string_view kThriftyHeap = "GLIBC_TUNABLES=glibc.malloc.tcache_count=0:glibc.malloc.mxfast=0";

/// A shim inherits no environment, unless it is to tell where the sanitizer of a checked build shall report.
std::vector<std::string> shim_environment() {
  std::vector<std::string> environment{std::string{kThriftyHeap}};
#ifdef BERTH_SANITIZED
  for (const char* name : {"ASAN_OPTIONS", "LSAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "ASAN_SYMBOLIZER_PATH"}) {
    if (const char* value = ::getenv(name)) environment.push_back(cat(name, "=", std::string_view{value}));
  }
#endif
  return environment;
}

}  // namespace

sys::UniqueFd seal_program(const std::string& path) {
  const sys::UniqueFd file = sys::open_file(path, O_RDONLY);
  struct stat info{};
  if (::fstat(file.get(), &info) != 0) throw errno_error("fstat", path);
  constexpr unsigned kExecutable = 0x10;  // MFD_EXEC, Linux 6.3
  int fd = ::memfd_create("berth-shim", MFD_CLOEXEC | MFD_ALLOW_SEALING | kExecutable);
  if (fd < 0) fd = ::memfd_create("berth-shim", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  sys::UniqueFd memory{fd};
  if (!memory) throw errno_error("memfd_create", path);
  for (off_t left = info.st_size; left > 0;) {
    const ssize_t copied =
        sys::retry_on_eintr([&] { return ::sendfile(fd, file.get(), nullptr, static_cast<std::size_t>(left)); });
    if (copied <= 0) throw errno_error("sendfile", path);
    left -= copied;
  }
  if (::fchmod(fd, 0500) != 0) throw errno_error("fchmod", path);
  if (::fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    throw errno_error("fcntl F_ADD_SEALS", path);
  }
  // A program that is open for writing can't be executed (ETXTBSY): keep a descriptor that only reads.
  const sys::UniqueFd readable = sys::open_file(cat("/proc/self/fd/", fd), O_RDONLY);
  // It is executed by its number, which must not be one of those that a shim is given.
  constexpr int kAboveShimEnds = 16;
  sys::UniqueFd program{::fcntl(readable.get(), F_DUPFD_CLOEXEC, kAboveShimEnds)};
  if (!program) throw errno_error("fcntl F_DUPFD_CLOEXEC", path);
  return program;
}

namespace {

Prepared prepare_process(sys::FdRef program, const std::string& request, std::vector<std::string> arguments) {
  Prepared out;
  auto [ours, theirs] = sys::socket_pair(SOCK_SEQPACKET);
  out.control = std::move(ours);
  out.shim_ends.push_back(std::move(theirs));
  out.shim_ends.push_back(sys::memory_file("berth-request", request));
  out.options.program = cat("/proc/self/fd/", program.get());
  out.options.arguments = std::move(arguments);
  out.options.environment = shim_environment();
  out.options.descriptors = {{out.shim_ends[0].get(), 3}, {out.shim_ends[1].get(), 4}};
  out.options.new_session = true;
  out.options.working_dir = "/";
  return out;
}

}  // namespace

Prepared prepare(sys::FdRef program, const LaunchRequest& request) {
  Prepared out = prepare_process(program, binary::encode(request), {"berth-shim", request.id});
  sys::remove_file(request.socket_path);  // of a predecessor that was killed
  out.shim_ends.push_back(sys::listen_unix(request.socket_path, SOCK_SEQPACKET));
  out.options.descriptors.emplace_back(out.shim_ends.back().get(), 5);
  return out;
}

Prepared prepare(sys::FdRef program, const FilesRequest& request) {
  return prepare_process(program, binary::encode(request), {"berth-shim", request.id, "files"});
}

std::optional<sys::UniqueFd> connect(const std::string& socket_path) {
  return sys::connect_unix(socket_path, SOCK_SEQPACKET);
}

void send(sys::FdRef control, const Command& command, const std::vector<int>& fds) {
  sys::send_message(control, binary::encode(command), fds);
}

std::pair<Arrival, Received> receive(sys::FdRef control) {
  std::pair<Arrival, Received> out{Arrival::event, Received{}};
  std::optional<sys::Message> message = sys::receive_message(control);
  if (!message) {
    out.first = Arrival::nothing;
  } else if (message->bytes.empty()) {
    out.first = Arrival::closed;
  } else {
    out.second.event = binary::decode<Event>(message->bytes);
    out.second.fds = std::move(message->fds);
  }
  return out;
}

namespace {

template <class Record>
std::optional<Record> read_record(const std::string& path) {
  const std::optional<std::string> bytes = sys::read_file_if_exists(path);
  if (!bytes) return std::nullopt;
  try {
    return binary::decode<Record>(*bytes);
  } catch (const Error&) {
    return std::nullopt;
  }
}

}  // namespace

std::optional<ExitRecord> read_exit_record(const std::string& run_dir) {
  return read_record<ExitRecord>(cat(run_dir, "/exit"));
}

std::optional<InitRecord> read_init_record(const std::string& run_dir) {
  return read_record<InitRecord>(cat(run_dir, "/init"));
}

void end_orphan(const InitRecord& record, const std::string& cgroups_path) {
  std::optional<sys::UniqueFd> process = sys::find_pidfd(record.pid);
  if (process && sys::start_ticks(record.pid) != record.start_ticks) process.reset();
  if (process) sys::signal_pidfd(*process, SIGKILL);
  const bool has_group = !cgroups_path.empty() && cgroups_path != "/";
  const cgroups::Cgroup group{cgroups::find_tree(), has_group ? cgroups_path : ""};
  if (has_group) {
    group.signal_all(SIGKILL);
    group.thaw_if_there();  // on cgroup v1 a frozen process doesn't even take SIGKILL
  }
  // It takes its mounts down first, and the last of an overlay writes what is dirty below it: seconds on a busy disk.
  constexpr std::chrono::seconds kPatience{30};
  if (process) (void)sys::wait_for_end(*process, kPatience);
  if (has_group) group.remove();
}

}  // namespace berth::runtime::shim
