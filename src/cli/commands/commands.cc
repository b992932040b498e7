#include "cli/commands/commands.h"

namespace berth::cli {

std::vector<std::span<const Command>> all_commands() {
  return {container_run_commands(), container_list_commands(), image_list_commands()};
}

}  // namespace berth::cli
