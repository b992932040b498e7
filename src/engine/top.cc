// What a container does at the moment: its processes, and what it uses.
#include <cerrno>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/process.h"
#include "engine/containers_service.h"
#include "engine/process_list.h"
#include "runtime/cgroups/cgroup.h"

namespace berth::engine {

using container::Status;

namespace {

/// The words of ps itself when it has any.
Error ps_failure(const sys::CommandResult& result) {
  const std::string line = result.errors.substr(0, result.errors.find('\n'));
  return system_error(line.empty() ? cat("ps: exit status ", result.status.code) : cat("ps: ", line));
}

/// Runs the host's ps, which knows users and terminals of the host. Blocks for some milliseconds.
ProcessList list_processes(const std::string& cgroup_path, const std::vector<std::string>& arguments) {
  const std::vector<pid_t> pids = runtime::cgroups::Cgroup{runtime::cgroups::find_tree(), cgroup_path}.pids();
  std::vector<std::string> command{"ps"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  try {
    std::vector<std::string> chosen = command;
    chosen.push_back("-q");
    for (const pid_t pid : pids) chosen.back() += cat(chosen.back() == "-q" ? "" : ",", pid);
    sys::CommandResult result = sys::run_command(chosen, {}, sys::Errors::apart);
    // Some arguments (f) don't go with -q: all processes then, from which ours are taken.
    if (result.status.code != 0) result = sys::run_command(command, {}, sys::Errors::apart);
    if (result.status.code != 0) throw ps_failure(result);
    return parse_ps_output(result.output, pids);
  } catch (const Error& error) {
    if (error.error_number() != ENOENT) throw;
    throw system_error("ps: exec: \"ps\": executable file not found in $PATH");
  }
}

}  // namespace

Task<ProcessList> ContainersService::top(std::string id, std::string ps_args) {
  check_open();
  if (ps_args.empty()) ps_args = "-ef";
  check_ps_arguments(ps_args);
  const ContainerPtr container = registry_.get(id);
  if (container->record.state.status == Status::restarting) {
    throw conflict(cat("Container ", container->id(), " is restarting, wait until the container is running"));
  }
  if (!container->running()) throw conflict(cat("container ", container->id(), " is not running"));
  const std::string cgroup = cgroup_path(*container);
  const std::vector<std::string> arguments = split_ps_arguments(ps_args);
  ProcessList list = co_await parts_.pool.run([&] { return list_processes(cgroup, arguments); });
  publish(*container, "top");
  co_return list;
}

Task<std::unique_ptr<StatsStream>> ContainersService::open_stats(std::string id, StatsQuery query) {
  check_open();
  ContainerPtr container = registry_.get(id);
  if (query.stream && query.one_shot) throw invalid("cannot have stream=true and one-shot=true");
  co_return sampler_.open(std::move(container), query);
}

/// The interfaces are those of the network that the container is in, as with dockerd: none for the host's.
StatsSource ContainersService::stats_source(const Container& container) const {
  StatsSource source{.cgroup_path = cgroup_path(container), .host_links = {}};
  const Container* owner = &container;
  ContainerPtr donor;
  const std::string& mode = container.record.host_config.network_mode;
  if (mode.starts_with("container:")) {
    donor = registry_.find(mode.substr(10));
    owner = donor.get();
  }
  if (owner == nullptr) return source;
  for (const network::Endpoint& endpoint : owner->endpoints) source.host_links.push_back(endpoint.host_link);
  return source;
}

}  // namespace berth::engine
