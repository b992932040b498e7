#pragma once

#include <string>
#include <vector>

#include "oci/container_config.h"

namespace berth::engine {

/// Applies Dockerfile instructions as `docker import -c` and `docker commit -c` take them: CMD ENTRYPOINT ENV EXPOSE
/// HEALTHCHECK LABEL ONBUILD SHELL STOPSIGNAL USER VOLUME WORKDIR. Throws invalid with Docker's texts ("run is not a
/// valid change command").
/// Spec: Dockerfile reference; moby builder/dockerfile/dispatchers.go.
oci::ContainerConfig apply_changes(oci::ContainerConfig config, const std::vector<std::string>& changes);

}  // namespace berth::engine
