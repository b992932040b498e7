#include "runtime/namespaces/namespaces.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"

namespace berth::runtime::namespaces {
namespace {

struct Kind {
  std::string_view type;
  std::uint64_t flag;
};
constexpr Kind kKinds[] = {{"pid", CLONE_NEWPID},      {"network", CLONE_NEWNET}, {"mount", CLONE_NEWNS},
                           {"ipc", CLONE_NEWIPC},      {"uts", CLONE_NEWUTS},     {"user", CLONE_NEWUSER},
                           {"cgroup", CLONE_NEWCGROUP}};

std::string map_text(const std::vector<oci::IdMapping>& mappings) {
  std::string text;
  for (const oci::IdMapping& mapping : mappings) {
    text += cat(mapping.container_id, ' ', mapping.host_id, ' ', mapping.size, '\n');
  }
  return text;
}

}  // namespace

bool Plan::separate(std::uint64_t flag) const {
  if (flag == CLONE_NEWCGROUP && new_cgroup) return true;
  return makes(flag) || std::ranges::find(joins, flag, &Join::flag) != joins.end();
}

Plan plan(const std::vector<oci::Namespace>& namespaces, bool network_comes) {
  Plan out;
  for (const oci::Namespace& space : namespaces) {
    const auto* kind = std::ranges::find(kKinds, space.type, &Kind::type);
    if (kind == std::end(kKinds)) throw invalid(cat("unknown namespace type ", quoted(space.type)));
    if (!space.path.empty()) {
      out.joins.push_back({kind->flag, space.path});
    } else if (kind->flag == CLONE_NEWCGROUP) {
      out.new_cgroup = true;
    } else if (kind->flag != CLONE_NEWNET || !network_comes) {
      out.clone_flags |= kind->flag;
    }
  }
  out.has_network = network_comes || out.separate(CLONE_NEWNET);
  return out;
}

void enter(sys::FdRef space, std::uint64_t flags, const std::string& what) {
  if (::setns(space.get(), static_cast<int>(flags)) != 0) throw errno_error("setns", what);
}

Forked fork_into(std::uint64_t clone_flags, int group) {
  int pidfd = -1;
  clone_args arguments{};
  arguments.flags = clone_flags | CLONE_PIDFD;
  arguments.exit_signal = SIGCHLD;
  arguments.pidfd = reinterpret_cast<std::uintptr_t>(&pidfd);
  if (group >= 0) {
    arguments.flags |= CLONE_INTO_CGROUP;
    arguments.cgroup = static_cast<std::uint64_t>(group);
  }
  const long pid = ::syscall(SYS_clone3, &arguments, sizeof arguments);
  if (pid < 0) throw errno_error("clone3", "");
  Forked forked;
  forked.pid = static_cast<pid_t>(pid);
  if (pid > 0) forked.pidfd = sys::UniqueFd{pidfd};
  return forked;
}

void write_id_maps(pid_t pid, const std::vector<oci::IdMapping>& uids, const std::vector<oci::IdMapping>& gids) {
  const sys::UniqueFd folder = sys::open_file(cat("/proc/", pid), O_PATH | O_DIRECTORY);
  if (!uids.empty()) sys::write_control(folder, "uid_map", map_text(uids));
  if (!gids.empty()) sys::write_control(folder, "gid_map", map_text(gids));
}

}  // namespace berth::runtime::namespaces
