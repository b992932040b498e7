#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

/// The protocol of `criu swrk`: one SEQPACKET message is one protobuf message. Only what Berth asks and is told.
/// Spec: CRIU images/rpc.proto.
namespace berth::runtime::criu {

/// A descriptor of the CRIU process that stands for a resource of the images.
struct InheritedFd {
  std::string key;  ///< "pipe:[INODE]", or the name an external resource was dumped under
  int number = -1;
};

struct Options {
  /// Numbers in the process that made the socket pair, which is where CRIU looks.
  int images_dir = -1, work_dir = -1;
  std::string log_file;  ///< in the work folder
  pid_t pid = 0;         ///< to dump
  bool leave_running = false;
  bool terminal = false;              ///< the master of the container's terminal is held outside of it
  std::string root;                   ///< where the root file system is mounted, for a restore
  std::vector<std::string> external;  ///< "mnt[KEY]:PATH", "net[INODE]:KEY"
  std::vector<InheritedFd> inherited;
};

std::string dump_request(const Options& options);
std::string restore_request(const Options& options);
std::string notify_answer(bool success);

enum class Type { dump = 1, restore = 2, notify = 6 };

struct Response {
  Type type{};
  bool success = false;
  pid_t pid =
      0;  ///< of the restored root process: in the notifications setup-namespaces and post-restore, and at the end
  std::string script;  ///< which notification it is: "post-dump", "orphan-pts-master", …
  int error_number = 0;
  std::string error;  ///< CRIU's first error message, without a newline
};

/// Throws invalid for what is no such message.
Response parse_response(std::string_view bytes);

}  // namespace berth::runtime::criu
