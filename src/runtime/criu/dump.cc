#include "runtime/criu/dump.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"
#include "base/sys/process.h"
#include "base/sys/socket.h"
#include "runtime/criu/rpc.h"

namespace berth::runtime::criu {
namespace {

/// The images under way: gone unless they are kept.
class Staging {
 public:
  explicit Staging(const Dump& dump) : path_(dump.staging_dir) {
    sys::remove_tree(path_);  // of a predecessor that was killed
    sys::make_dir(path_, 0700);
    folder_ = sys::open_file(path_, O_RDONLY | O_DIRECTORY);
  }
  ~Staging() {
    if (path_.empty()) return;
    try {
      sys::remove_tree(path_);
    } catch (const Error&) {
      // The next checkpoint of that name tries again, and so does the removal of the container.
    }
  }
  Staging(const Staging&) = delete;

  void place(const std::string& path) {
    if (::syncfs(folder_.get()) != 0) throw errno_error("syncfs", path_);
    sys::rename(path_, path);
    path_ = path;
    sys::sync_dir(path.substr(0, path.rfind('/')));
  }
  void keep() { path_.clear(); }
  const std::string& path() const { return path_; }
  const sys::UniqueFd& folder() const { return folder_; }

 private:
  std::string path_;
  sys::UniqueFd folder_;
};

std::vector<std::string> external_resources(const Descriptor& descriptor, pid_t init) {
  std::vector<std::string> out;
  for (const ExternalMount& mount : descriptor.mounts) {
    out.push_back(cat("mnt[", mount.mountpoint, "]:", mount.mountpoint));
  }
  if (descriptor.network) {
    const std::string path = cat("/proc/", init, "/ns/net");
    const std::optional<struct stat> info = sys::stat_if_exists(path);
    if (!info) throw conflict("the container has ended");
    out.push_back(cat("net[", info->st_ino, "]:", kNetworkKey));
  }
  return out;
}

/// "" or what is in the way.
std::string try_to_place(Staging& staging, const std::string& path) {
  try {
    staging.place(path);
    return "";
  } catch (const Error& error) {
    return error.text();
  }
}

}  // namespace

std::vector<std::string> environment() {
  return {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"};
}

Error failure(std::string_view type, int error_number, const std::string& why) {
  return system_error(
      cat("criu failed: type ", type, " errno ", error_number, ": ", why.empty() ? "it gives no reason" : why));
}

void dump(const Dump& dump, pid_t init, Descriptor descriptor) {
  Staging staging{dump};
  descriptor.mounts = find_external_mounts(dump.mounts, init);
  descriptor.ipv4_address = dump.ipv4_address;
  write_descriptor(dump.staging_dir, descriptor);

  auto [socket, peer] = sys::socket_pair(SOCK_SEQPACKET);
  sys::Child criu = sys::spawn({.program = dump.program,
                                .arguments = {"criu", "swrk", "3"},
                                .environment = environment(),
                                .descriptors = {{peer.get(), 3}},
                                .new_session = false,
                                .working_dir = "/"});
  peer.reset();
  sys::send_message(socket, dump_request({.images_dir = staging.folder().get(),
                                          .work_dir = staging.folder().get(),
                                          .log_file = kDumpLog,
                                          .pid = init,
                                          .leave_running = dump.leave_running,
                                          .terminal = descriptor.terminal,
                                          .external = external_resources(descriptor, init)}));
  std::string refusal;
  for (;;) {
    const std::optional<sys::Message> message = sys::receive_message(socket);
    const Response response = message ? parse_response(message->bytes) : Response{};
    if (response.type != Type::notify) {
      if (response.success && refusal.empty()) break;
      std::string why = refusal.empty() ? errors_in_log_file(cat(staging.path(), "/", kDumpLog)) : refusal;
      throw failure("DUMP", response.error_number, why.empty() ? response.error : why);
    }
    // The last moment before CRIU ends the processes; told that it failed, it lets them run on.
    if (response.script == "post-dump" && !dump.leave_running) refusal = try_to_place(staging, dump.dir);
    sys::send_message(socket, notify_answer(refusal.empty()));
  }
  if (dump.leave_running) staging.place(dump.dir);  // while the container runs already
  staging.keep();
  (void)criu.wait();
}

}  // namespace berth::runtime::criu
