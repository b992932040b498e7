#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/core/time.h"
#include "container/record.h"
#include "engine/containers.h"
#include "engine/filters.h"
#include "network/network.h"

/// Containers as the API shows them. Spec: docker-engine-api-v1.51.yaml, ContainerInspectResponse, ContainerSummary.
namespace berth::engine {

// struct ContainerInspect { … describe … }; struct ContainerSummary { … }; struct ExecInspect { … };
// are defined here by whoever builds this part, together with:
//
// ContainerInspect make_inspect(const container::Record&, const std::vector<network::Endpoint>&, …);
// ContainerSummary make_summary(const container::Record&, const std::vector<network::Endpoint>&, Time now);
// bool matches(const container::Record&, const Filters&, …);
// std::string status_line(const container::State&, Time now);   // "Up 5 minutes", "Exited (0) 2 hours ago"

}  // namespace berth::engine
