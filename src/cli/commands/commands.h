#pragma once

#include <span>
#include <string_view>

#include "cli/cli.h"

/// Each file of this folder defines a family of commands; commands.cc puts them together.
namespace berth::cli {

std::span<const Command> container_list_commands();
std::span<const Command> container_run_commands();
std::span<const Command> container_life_commands();
std::span<const Command> container_look_commands();
std::span<const Command> exec_commands();
std::span<const Command> inspect_commands();
std::span<const Command> image_list_commands();
std::span<const Command> image_change_commands();
std::span<const Command> bootstrap_commands();
std::span<const Command> volume_commands();
std::span<const Command> network_commands();
std::span<const Command> system_commands();
std::span<const Command> fsck_commands();
std::span<const Command> prune_commands();
std::span<const Command> disk_usage_commands();
std::span<const Command> login_commands();
std::span<const Command> copy_commands();
std::span<const Command> container_file_commands();
std::span<const Command> transfer_commands();
std::span<const Command> registry_commands();
std::span<const Command> checkpoint_commands();
std::span<const Command> stats_commands();
std::span<const Command> search_commands();
std::span<const Command> manifest_commands();

inline constexpr const char* kFormatHelp = "How to print:\ntable (the default), table TEMPLATE, json, or a Go TEMPLATE";

}  // namespace berth::cli
