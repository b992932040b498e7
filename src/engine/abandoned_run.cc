#include "engine/abandoned_run.h"

#include <csignal>

#include "base/core/time.h"
#include "runtime/cgroups/cgroup.h"
#include "runtime/shim/client.h"

namespace berth::engine {

using runtime::shim::ExitRecord;

ExitRecord end_run(const std::string& run_dir, const std::string& cgroup_path) {
  std::optional<ExitRecord> exit = runtime::shim::read_exit_record(run_dir);
  const std::optional<runtime::shim::InitRecord> init = runtime::shim::read_init_record(run_dir);
  if (init) runtime::shim::end_orphan(*init, cgroup_path);
  const runtime::cgroups::Cgroup group{runtime::cgroups::find_tree(), cgroup_path};
  if (!init && !cgroup_path.empty() && cgroup_path != "/") group.signal_all(SIGKILL);  // half restored by CRIU
  group.remove();
  if (!exit) exit = runtime::shim::read_exit_record(run_dir);  // it was about to be written
  if (exit) return *exit;
  return {.exit_code = 128 + SIGKILL,
          .started_at = init ? init->started_at : 0,
          .finished_at = now().time_since_epoch().count()};
}

}  // namespace berth::engine
