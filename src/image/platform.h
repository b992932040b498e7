#pragma once

#include <optional>
#include <string>
#include <vector>

#include "oci/image.h"

namespace berth::image {

/// amd64, arm64, … of this machine, as OCI names it.
std::string host_architecture();
oci::Platform host_platform();

/// "os[/architecture[/variant]]", or an architecture alone; what is not said is the host's. "" is the host's platform.
/// Common other names are understood (x86_64, aarch64, armhf). Throws invalid.
oci::Platform parse_platform(const std::string& text);
std::string platform_text(const oci::Platform& platform);  ///< "linux/arm/v7"

/// Of an index the manifest that fits best: exactly, or a variant that `wanted` can run (arm/v6 on arm/v7).
/// Attestations
/// ("unknown") are no images. nullptr when there is none.
const oci::Descriptor* choose_platform(const std::vector<oci::Descriptor>& manifests, const oci::Platform& wanted);

}  // namespace berth::image
