#include "engine/start_failure.h"

#include <cerrno>

#include "base/core/text.h"

namespace berth::engine {

using runtime::shim::Event;
using runtime::shim::Stage;

namespace {

constexpr std::string_view kStartPrefix =
    "failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: "
    "unable to start container process: ";
constexpr std::string_view kExecPrefix = "OCI runtime exec failed: exec failed: unable to start container process: ";

/// A program or working directory that can't be used is the caller's input; the rest is ours or the kernel's.
ErrorKind kind_of(Stage stage) {
  switch (stage) {
    case Stage::exec_not_found:
    case Stage::exec_denied:
    case Stage::working_dir: return ErrorKind::invalid;
    default: return ErrorKind::system;
  }
}

/// A folder was to be mounted on a file, or a file on a folder.
bool is_wrong_kind(const Event& failed) { return failed.stage == Stage::mount && failed.error_number == ENOTDIR; }

Error failure(std::string_view prefix, const Event& failed) {
  // dockerd itself looks these up, when it creates the container: no words of a runtime before them.
  const bool own_words = failed.stage == Stage::user || failed.message.starts_with("Cannot mkdir: ");
  if (own_words) return {ErrorKind::invalid, failed.message, failed.error_number};
  std::string text = cat(prefix, failed.message, ": unknown");
  ErrorKind kind = kind_of(failed.stage);
  // The stock client tells by these words that the program can't be executed (126).
  if (failed.stage == Stage::exec_denied && failed.message.ends_with("is a directory")) text += ": permission denied";
  if (is_wrong_kind(failed)) {
    text +=
        ": Are you trying to mount a directory onto a file (or vice-versa)? Check if the specified host path exists "
        "and is "
        "the expected type";
    kind = ErrorKind::invalid;
  }
  return {kind, std::move(text), failed.error_number};
}

}  // namespace

Error start_failure(const Event& failed) { return failure(kStartPrefix, failed); }
Error exec_failure(const Event& failed) { return failure(kExecPrefix, failed); }

int exit_code_of(const Event& failed) {
  const Stage stage = failed.stage;
  if (stage == Stage::exec_not_found || is_wrong_kind(failed)) return 127;
  if (stage == Stage::exec_denied || stage == Stage::working_dir) return 126;
  return 128;
}

}  // namespace berth::engine
