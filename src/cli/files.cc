#include "cli/files.h"

#include <fcntl.h>

#include <cstring>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"

namespace berth::cli {

sys::UniqueFd open_given_file(const std::string& path) {
  try {
    return sys::open_file(path, O_RDONLY);
  } catch (const Error& error) {
    if (error.error_number() == 0) throw;
    std::string reason = std::strerror(error.error_number());  // NOLINT(concurrency-mt-unsafe): one thread
    reason[0] = to_lower(reason.substr(0, 1))[0];
    throw Error{ErrorKind::system, cat("open ", path, ": ", reason), error.error_number()};
  }
}

std::string read_given_file(const std::string& path) {
  const sys::UniqueFd file = open_given_file(path);
  return sys::read_all(file);
}

}  // namespace berth::cli
