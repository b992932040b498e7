#pragma once

#include <unistd.h>

#include <cerrno>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/core/error.h"
#include "runtime/init/process.h"
#include "runtime/init/sync.h"

/// What all children of the monitor do alike.
namespace berth::runtime::init {

/// Everything the monitor had open goes, save for what the child needs.
void close_all_but(std::vector<int> kept);

/// Writes sysctls of the namespaces that the process is in.
void write_sysctls(const std::map<std::string, std::string>& sysctls);

/// The begin of every child: it can't be looked at, and has signals and a session of its own.
void begin();

/// Runs the steps; what they throw goes up to the monitor.
template <class Steps>
[[noreturn]] void run_steps(sys::UniqueFd socket, Steps steps) {
  ChildSync sync{std::move(socket)};
  Progress progress;
  try {
    begin();
    steps(sync, progress);
  } catch (const Error& error) {
    try {
      send_failure(sync.socket(), {progress.stage, error.error_number(), error.text()});
    } catch (const Error&) {
      // The monitor is gone: nobody is left to be told.
    }
  } catch (const std::exception& error) {  // no memory
    try {
      send_failure(sync.socket(), {progress.stage, ENOMEM, error.what()});
    } catch (const Error&) {
    }
  }
  ::_exit(1);
}

}  // namespace berth::runtime::init
