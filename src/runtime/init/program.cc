#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "base/core/text.h"
#include "runtime/init/process.h"

namespace berth::runtime::init {
namespace {

/// 0, or the errno why `path` can't be executed; a folder is EISDIR.
int why_not(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return errno;
  if (S_ISDIR(info.st_mode)) return EISDIR;
  if (::faccessat(AT_FDCWD, path.c_str(), X_OK, AT_EACCESS) == 0) {
    // Root may "execute" anything by this check; without any x bit the kernel still refuses.
    return (info.st_mode & 0111) != 0 ? 0 : EACCES;
  }
  return errno;
}

/// Go's words, which begin with a small letter.
std::string text_of(int error_number) {
  std::string text = std::strerror(error_number);  // NOLINT(concurrency-mt-unsafe): one thread
  if (!text.empty() && text.front() >= 'A' && text.front() <= 'Z') text.front() = static_cast<char>(text.front() + 32);
  return text;
}

Error failure(const std::string& name, std::string_view why, int error_number) {
  return {ErrorKind::invalid, cat("exec: ", quoted(name), ": ", why), error_number};
}

std::string path_of(const std::vector<std::string>& env) {
  for (const std::string& entry : env) {
    if (entry.starts_with("PATH=")) return entry.substr(5);
  }
  return "";
}

}  // namespace

std::string find_program(const std::string& name, const std::vector<std::string>& env, Progress& progress) {
  progress.stage = shim::Stage::exec_not_found;
  if (name.find('/') != std::string::npos) {
    const int error = why_not(name);
    if (error == 0) return name;
    if (error == ENOENT || error == ENOTDIR || error == ELOOP) {
      throw failure(name, cat("stat ", name, ": ", text_of(error)), error);
    }
    progress.stage = shim::Stage::exec_denied;
    throw failure(name, text_of(error), error);
  }
  for (const std::string& folder : split(path_of(env), ':')) {
    const std::string path = cat(folder.empty() ? "." : folder, '/', name);
    if (!name.empty() && why_not(path) == 0) return path;
  }
  throw failure(name, "executable file not found in $PATH", ENOENT);
}

}  // namespace berth::runtime::init
