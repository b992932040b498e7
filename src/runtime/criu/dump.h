#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/core/error.h"
#include "runtime/criu/images.h"

namespace berth::runtime::criu {

struct Dump {
  std::string program;      ///< path of criu
  std::string staging_dir;  ///< beside `dir`; is made, and gone afterwards
  std::string dir;          ///< where the checkpoint is when it is complete: put there by rename, synced before
  bool leave_running = false;
  std::string ipv4_address;  ///< kept for the restore, which had better have the same one
  std::vector<MountSource> mounts;
  static void describe(auto& self, auto&& field) {
    field("program", self.program);
    field("staging_dir", self.staging_dir);
    field("dir", self.dir);
    field("leave_running", self.leave_running);
    field("ipv4_address", self.ipv4_address);
    field("mounts", self.mounts);
  }
};

/// Saves the container of process `init`; blocks until all is on the disk. Without leave_running CRIU ends the
/// container, but only when the checkpoint is complete and durable: a power cut in between loses neither. `descriptor`
/// lacks the mounts. After a throw nothing is left and the container runs on.
void dump(const Dump& dump, pid_t init, Descriptor descriptor);

/// CRIU calls programs: tar for what lies in a tmpfs.
std::vector<std::string> environment();

/// "criu failed: type DUMP errno 0: …"
Error failure(std::string_view type, int error_number, const std::string& why);

}  // namespace berth::runtime::criu
