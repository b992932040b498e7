#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/sys/fd.h"
#include "runtime/criu/mounts.h"

/// A checkpoint's folder: CRIU's images and log, and beside them one file of ours with what a restore has to know.
namespace berth::runtime::criu {

inline constexpr const char* kDumpLog = "dump.log";
/// Under this name the images know the network namespace, which the daemon makes.
inline constexpr const char* kNetworkKey = "berth-network";

struct Descriptor {
  bool terminal = false;
  bool network = false;      ///< a network namespace of its own
  std::string ipv4_address;  ///< of its first endpoint; ""
  /// Inodes of the pipes that are the container's standard streams, as the images know them; 0: no pipe.
  std::uint64_t input_pipe = 0, output_pipe = 0, error_pipe = 0;
  std::vector<ExternalMount> mounts;
  static void describe(auto& self, auto&& field) {
    field("terminal", self.terminal);
    field("network", self.network);
    field("ipv4_address", self.ipv4_address);
    field("input_pipe", self.input_pipe);
    field("output_pipe", self.output_pipe);
    field("error_pipe", self.error_pipe);
    field("mounts", self.mounts);
  }
};

void write_descriptor(const std::string& folder, const Descriptor& descriptor);
/// Throws invalid when the folder holds no checkpoint of Berth.
Descriptor read_descriptor(const std::string& folder);
bool holds_checkpoint(const std::string& folder);

std::string pipe_key(std::uint64_t inode);  ///< "pipe:[INODE]"

/// The errors in a log of CRIU's, in one line; "" when there are none.
std::string errors_in_log(std::string_view log);
/// The same of a file, which may be missing.
std::string errors_in_log_file(const std::string& path);

}  // namespace berth::runtime::criu
