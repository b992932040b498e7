#pragma once

#include <string>

#include "cli/cli.h"

namespace berth::cli {

/// "linux/arm64/v8" as newer requests take it; "" stays. Throws invalid.
std::string platform_json(const std::string& platform);

std::string with_default_tag(const std::string& image);  ///< "busybox" -> "busybox:latest"

/// Asks the daemon to pull; throws its error. Progress goes to standard error unless `quiet`.
void pull_image(Cli& cli, const std::string& image, const std::string& platform, bool quiet);

/// Reads the JSON lines of a pull, load or import: prints what they say through `say`, throws their error.
void show_progress(Reply& reply, const std::function<void(const std::string&)>& say);

}  // namespace berth::cli
