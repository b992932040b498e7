#pragma once

#include <string>

#include "base/sys/fd.h"

namespace berth::cli {

/// Files that the user names. Their errors read as docker's: "open /x: no such file or directory".
sys::UniqueFd open_given_file(const std::string& path);
std::string read_given_file(const std::string& path);

}  // namespace berth::cli
