#pragma once

#include <string_view>
#include <vector>

#include "base/sys/fd.h"

/// The two things a daemon has with systemd, without libsystemd. Source: sd_notify(3), sd_listen_fds(3).
namespace berth::daemon {

/// Sends `state` ("READY=1") to $NOTIFY_SOCKET; does nothing without it.
void notify_service_manager(std::string_view state);

/// True when the whole machine is going down (`systemctl is-system-running` says "stopping"), not just this service.
/// False without systemd.
bool machine_is_stopping();

/// The sockets systemd opened for us (LISTEN_FDS, from descriptor 3 on), each made close-on-exec. The
/// variables are removed from the environment, so that no child takes them for its own. To be called once, at
/// the start of main.
std::vector<sys::UniqueFd> take_listen_fds();

}  // namespace berth::daemon
