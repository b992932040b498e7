#include "cli/commands/commands.h"

namespace berth::cli {

std::vector<std::span<const Command>> all_commands() {
  return {container_run_commands(),  container_life_commands(), container_list_commands(), container_look_commands(),
          exec_commands(),           inspect_commands(),        image_list_commands(),     image_change_commands(),
          volume_commands(),         network_commands(),        system_commands(),         prune_commands(),
          disk_usage_commands(),     bootstrap_commands(),      login_commands(),          copy_commands(),
          container_file_commands(), transfer_commands(),       registry_commands(),       checkpoint_commands(),
          stats_commands(),          fsck_commands(),           search_commands(),         manifest_commands()};
}

}  // namespace berth::cli
