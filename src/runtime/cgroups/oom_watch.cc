#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"
#include "runtime/cgroups/cgroup.h"

namespace berth::runtime::cgroups {

std::optional<OomWatch> OomWatch::start(const Cgroup& cgroup) {
  const std::string place = cgroup.folder("memory");
  if (place.empty()) return std::nullopt;
  const bool v2 = cgroup.tree().unified();
  const std::string file = cat(place, v2 ? "/memory.events" : "/memory.oom_control");
  const int control = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (control < 0) return std::nullopt;
  sys::UniqueFd watched{control};
  if (v2) return OomWatch{std::move(watched), {}, true};

  sys::UniqueFd event{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  if (!event) throw errno_error("eventfd", "");
  const sys::UniqueFd folder = sys::open_file(place, O_PATH | O_DIRECTORY);
  // Spec: kernel admin-guide/cgroup-v1/memory.rst, "OOM control".
  sys::write_control(folder, "cgroup.event_control", cat(event.get(), ' ', watched.get()));
  return OomWatch{std::move(event), std::move(watched), false};
}

std::uint32_t OomWatch::events() const { return v2_ ? EPOLLPRI : EPOLLIN; }

OomWatch::News OomWatch::acknowledge(const Cgroup& cgroup) {
  if (!v2_) {
    std::uint64_t count = 0;
    [[maybe_unused]] const ssize_t size = ::read(fd_.get(), &count, sizeof count);
  } else {
    char text[256];  // reading is what ends the file's readiness
    [[maybe_unused]] const ssize_t size = ::pread(fd_.get(), text, sizeof text, 0);
  }
  return check(cgroup);
}

/// v1 also fires when the group is removed.
OomWatch::News OomWatch::check(const Cgroup& cgroup) {
  const std::uint64_t kills = cgroup.oom_kills();
  if (kills > std::exchange(seen_, kills)) return News::killed;
  return cgroup.waits_for_memory() ? News::stuck : News::nothing;
}

}  // namespace berth::runtime::cgroups
