#include "cli/help.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/core/text.h"

namespace berth::cli {

namespace {

struct Group {
  std::string_view name, summary;
};

constexpr std::array kGroups = {Group{"checkpoint", "Saved states of running containers"},
                                Group{"container", "Work with containers"},
                                Group{"image", "Work with images"},
                                Group{"manifest", "Lists of one image's manifests for several platforms"},
                                Group{"network", "Work with networks"},
                                Group{"registry", "A registry of images"},
                                Group{"system", "The daemon as a whole"},
                                Group{"volume", "Work with volumes"}};

constexpr auto kLater =
    std::to_array<std::string_view>({"build", "builder", "buildx", "compose", "config", "context", "node", "plugin",
                                     "secret", "service", "stack", "swarm", "trust"});

constexpr std::array<std::string_view, 11> kCommon = {"run",  "exec", "ps",      "images",  "logs", "start",
                                                      "stop", "rm",   "inspect", "version", "info"};

std::size_t help_width() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20) return size.ws_col;
  return 80;
}

struct Line {
  std::string_view name, summary;
};

std::string listing(const std::vector<Line>& lines) {
  std::size_t width = 11;
  for (const Line& line : lines) width = std::max(width, line.name.size());
  std::string out;
  for (const Line& line : lines) {
    out += cat("  ", line.name, std::string(width - line.name.size() + 1, ' '), line.summary, "\n");
  }
  return out;
}

/// The commands whose name in `group` ("" is the top level) is their first spelling there.
std::vector<Line> commands_of(std::string_view group) {
  std::vector<Line> lines;
  for (const std::span<const Command> part : all_commands()) {
    for (const Command& command : part) {
      std::string_view rest = command.spellings;
      while (!rest.empty()) {
        const std::string_view spelling = rest.substr(0, rest.find(','));
        rest.remove_prefix(std::min(rest.size(), spelling.size() + 1));
        const std::size_t space = spelling.find(' ');
        const std::string_view owner = space == std::string_view::npos ? std::string_view{} : spelling.substr(0, space);
        if (owner != group) continue;
        lines.push_back({space == std::string_view::npos ? spelling : spelling.substr(space + 1), command.summary});
        break;
      }
    }
  }
  std::ranges::sort(lines, {}, &Line::name);
  return lines;
}

}  // namespace

bool is_group(std::string_view word) { return std::ranges::find(kGroups, word, &Group::name) != kGroups.end(); }
bool is_later(std::string_view name) { return std::ranges::find(kLater, name) != kLater.end(); }

std::string command_help(const Command& command, std::string_view name, const FlagSet& flags) {
  std::string out =
      cat("Usage:  berth ", name, command.usage.empty() ? "" : " ", command.usage, "\n\n", command.summary, "\n");
  if (command.spellings.find(',') != std::string_view::npos) {
    out += "\nAliases:\n  ";
    const std::vector<std::string> spellings = split(command.spellings, ',');
    for (const std::string& spelling : spellings) {
      out += cat(&spelling == &spellings.front() ? "" : ", ", "berth ", spelling);
    }
    out += '\n';
  }
  if (!flags.empty()) out += cat("\nOptions:\n", flags.usage(help_width()));
  return out;
}

std::string group_help(std::string_view group) {
  const auto* found = std::ranges::find(kGroups, group, &Group::name);
  return cat("Usage:  berth ", group, " COMMAND\n\n", found->summary, "\n\nCommands:\n", listing(commands_of(group)),
             "\nRun 'berth ", group, " COMMAND --help' for more information on a command.\n");
}

std::string program_help(const FlagSet& globals) {
  const std::vector<Line> top = commands_of("");
  std::vector<Line> common, others, groups;
  for (const std::string_view name : kCommon) {
    const auto at = std::ranges::find(top, name, &Line::name);
    if (at != top.end()) common.push_back(*at);
  }
  for (const Line& line : top) {
    if (std::ranges::find(kCommon, line.name) == kCommon.end()) others.push_back(line);
  }
  for (const Group& group : kGroups) groups.push_back({group.name, group.summary});
  return cat("Usage:  berth [OPTIONS] COMMAND\n\nContainers, small and fast\n\nCommon Commands:\n", listing(common),
             "\nManagement Commands:\n", listing(groups), "\nCommands:\n", listing(others), "\nGlobal Options:\n",
             globals.usage(help_width()), "\nRun 'berth COMMAND --help' for more information on a command.\n");
}

}  // namespace berth::cli
