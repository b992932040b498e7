#pragma once

#include <string>
#include <string_view>

#include "base/sys/fd.h"
#include "cli/http/api.h"

namespace berth::cli {

/// The rest of an answer's body to a descriptor.
void copy_reply(Reply& reply, sys::FdRef to);
/// The same to a file, which takes its name only when it is whole.
void save_reply(Reply& reply, const std::string& path);
/// Before anything is asked for: throws invalid with docker's words, behind `doing`, when `path` can be no file.
void check_output(const std::string& path, std::string_view doing);

}  // namespace berth::cli
