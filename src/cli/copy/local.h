#pragma once

#include <functional>
#include <string>

#include "base/core/stream.h"
#include "cli/copy/paths.h"

/// The local ends of a copy.
namespace berth::cli::copy {

/// An absolute path, symlinks and end as given. Throws system.
std::string absolute_path(const std::string& path);

/// What is to be copied from here. `follow`: the target of a symlink instead of it. Throws like Go ("lstat /x: no such
/// file or directory").
Source look_at_source(const std::string& path, bool follow);
/// What is there to copy to; symlinks are followed, also one that leads to nothing yet.
Destination look_at_destination(const std::string& path);

/// The tar of a source with its names as `plan` wants them.
void pack(const Source& source, const Plan& plan, ByteSink& out);
/// Unpacks the tar of a daemon; nothing in it leads out of plan.folder. Everything belongs to who calls.
void unpack(ByteSource& tar, const Plan& plan);

}  // namespace berth::cli::copy
