#pragma once

#include "container/config.h"

namespace berth::container {

/// Throws invalid with Docker's texts ("invalid restart policy: unknown policy 'x'; use one of …").
void check_restart_policy(const RestartPolicy& policy);

}  // namespace berth::container
