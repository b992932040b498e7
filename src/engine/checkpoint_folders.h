#pragma once

#include <string>
#include <vector>

#include "base/core/log.h"
#include "container/record.h"

namespace berth::engine {

/// Folders of checkpoints: each holds one folder a checkpoint, named by it. Names and texts are Docker's; `shown` is
/// the container's name in them. All of these block.

/// Throws system unless it is [a-zA-Z0-9][a-zA-Z0-9_.-]+.
void check_checkpoint_name(const std::string& name);
/// Where a new checkpoint goes: its path below `dir`, which is made. Throws system when it is there already.
std::string reserve_checkpoint(const std::string& dir, const std::string& name, const std::string& shown);
/// Path of one that is there. Throws system.
std::string get_checkpoint(const std::string& dir, const std::string& name, const std::string& shown);
std::vector<std::string> list_checkpoints(const std::string& dir);
/// Where the images are until they are complete; such a folder is no checkpoint.
std::string staging_path(const std::string& checkpoint);
/// What a shim left that was killed at work. Never throws.
void remove_partial_checkpoints(const std::string& dir, const Logger& log);

/// Throws not_implemented for a container that lives in another one's namespaces, apart from the network.
void check_can_checkpoint(const container::Record& record);

/// Path of criu. Throws system, with the reason, where it isn't installed or doesn't get along with the kernel.
std::string find_criu();

}  // namespace berth::engine
