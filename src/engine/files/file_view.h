#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "archive/tree_writer.h"
#include "base/core/stream.h"
#include "base/sys/fd.h"
#include "container/record.h"
#include "engine/containers.h"

/// A container's files as its processes see them, mounts included, read and written from outside. Every path is
/// resolved by openat2 below the root's descriptor: whatever the container swaps meanwhile, nothing leads out of it
/// (CVE-2018-15664), and no program or library of the container's is ever used (CVE-2019-14271).
namespace berth::engine::files {

/// The root of a running container's mount namespace. `init` proves that `pid` is its first process still. nullopt when
/// that has ended.
std::optional<sys::UniqueFd> open_live_root(pid_t pid, sys::FdRef init);

class FileView {
 public:
  /// `live`: the container runs, so that the kernel's own file systems are mounted. They are not for copying: as with
  /// Docker, /proc, /sys and /dev are empty folders then.
  FileView(sys::UniqueFd root, bool live, const container::Record& record);

  /// Throws a system error with ENOENT for what is not there, and with Go's texts otherwise.
  PathStat stat(const std::string& path) const;
  /// The tar of GET /containers/{id}/archive, from its first to its last byte.
  void archive(const std::string& path, ByteSink& out) const;
  /// Throws invalid for a destination that is no folder or not to be written to, with Docker's texts.
  void extract(const ExtractOptions& options, ByteSource& tar) const;

 private:
  sys::UniqueFd open(const std::string& path, int flags) const;
  std::string follow(const std::string& path) const;
  bool is_hidden(std::string_view path) const;
  bool may_enter(int folder, std::string_view path) const;
  void check_writable(std::string_view path) const;
  std::pair<std::uint32_t, std::uint32_t> user_of_container() const;

  sys::UniqueFd root_;
  bool live_, read_only_root_;
  std::string user_;
  std::vector<container::MountPoint> mounts_;
  std::vector<std::string> tmpfs_;
};

/// As Go says it: "no space left on device".
std::string go_error_text(int error_number);

}  // namespace berth::engine::files
