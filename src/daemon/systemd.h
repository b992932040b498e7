#pragma once

#include <string_view>

/// What a daemon tells systemd, without libsystemd. Source: sd_notify(3).
namespace berth::daemon {

/// Sends `state` ("READY=1") to $NOTIFY_SOCKET; does nothing without it.
void notify_service_manager(std::string_view state);

}  // namespace berth::daemon
