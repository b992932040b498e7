#pragma once

#include <string>
#include <vector>

#include "base/core/stream.h"
#include "base/sys/fd.h"
#include "base/sys/file.h"
#include "base/sys/process.h"

namespace berth::cli {

inline constexpr const char* kDefaultSuite = "bookworm";

/// Code names only: they become file names and arguments.
bool is_suite_name(std::string_view text);

/// A minimal Debian tree as a tar stream, made by mmdebstrap while it is read. Reading its end throws system when
/// mmdebstrap failed, so that half a tree is never taken for a whole one. Its messages go to standard error.
class DebianTree : public ByteSource {
 public:
  /// `sources`: lines for sources.list, which the image keeps. Throws not_found when mmdebstrap is not installed.
  DebianTree(const std::string& suite, const std::vector<std::string>& sources);
  std::size_t read(char* buffer, std::size_t size) override;

 private:
  sys::TemporaryDir extras_;
  sys::UniqueFd output_;
  sys::Child builder_;
  bool ended_ = false;
};

}  // namespace berth::cli
