#pragma once

#include <string>
#include <string_view>

#include "cli/cli.h"

namespace berth::cli {

bool is_group(std::string_view word);  ///< container, image, …
/// A command or group of docker's that a later part of Berth brings: known, and refused with a clear word.
bool is_later(std::string_view name);

std::string command_help(const Command& command, std::string_view name, const FlagSet& flags);
std::string group_help(std::string_view group);
std::string program_help(const FlagSet& globals);

}  // namespace berth::cli
