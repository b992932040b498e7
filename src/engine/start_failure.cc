#include "engine/start_failure.h"

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

Error failure(std::string_view prefix, const Event& failed) {
  // dockerd itself looks these up, when it creates the container: no words of a runtime before them.
  const bool own_words = failed.stage == Stage::user || failed.message.starts_with("Cannot mkdir: ");
  if (own_words) return {ErrorKind::invalid, failed.message, failed.error_number};
  if (failed.stage == Stage::restore) {
    return {ErrorKind::system, cat("OCI runtime restore failed: ", failed.message, ": unknown"), failed.error_number};
  }
  return {kind_of(failed.stage), cat(prefix, failed.message, ": unknown"), failed.error_number};
}

}  // namespace

Error start_failure(const Event& failed) { return failure(kStartPrefix, failed); }
Error exec_failure(const Event& failed) { return failure(kExecPrefix, failed); }

int exit_code_of(Stage stage) {
  if (stage == Stage::exec_not_found) return 127;
  if (stage == Stage::exec_denied || stage == Stage::working_dir) return 126;
  return 128;
}

}  // namespace berth::engine
