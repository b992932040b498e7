#include "runtime/shim/files.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>

#include "base/core/binary.h"
#include "base/sys/file.h"
#include "base/sys/socket.h"
#include "runtime/mounts/mount_api.h"
#include "runtime/mounts/mounter.h"
#include "runtime/mounts/root.h"
#include "runtime/shim/protocol.h"

namespace berth::runtime::shim {

namespace {

sys::UniqueFd mount_files(const FilesRequest& request, Event& event) {
  if (::unshare(CLONE_NEWNS) != 0) throw errno_error("unshare", "mount namespace");
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) throw errno_error("mount", "/");
  event.stage = Stage::rootfs;
  const sys::UniqueFd root = mounts::open_root(request.root, false);
  mounts::attach_over_root(root);
  event.stage = Stage::mount;
  const oci::Linux no_settings;
  mounts::Mounter mounter{root, no_settings, false, {.network = [] {}, .cgroup = [] {}}};
  mounter.mount_all(request.mounts);
  return sys::open_file(mounts::fd_path(root), O_PATH | O_DIRECTORY);
}

}  // namespace

int hold_files(sys::UniqueFd control, sys::UniqueFd request_file) {
  for (const int signal : {SIGHUP, SIGINT, SIGTERM, SIGPIPE}) ::signal(signal, SIG_IGN);
  Event event{.kind = EventKind::started};
  sys::UniqueFd root;
  try {
    root = mount_files(binary::decode<FilesRequest>(sys::read_all(request_file)), event);
  } catch (const Error& error) {
    event.kind = EventKind::failed;
    event.message = error.text();
    event.error_number = error.error_number();
  }
  request_file.reset();
  std::vector<int> fds;
  if (root) fds.push_back(root.get());
  sys::send_message(control, binary::encode(event), fds);
  root.reset();
  char byte = 0;
  while (sys::retry_on_eintr([&] { return ::read(control.get(), &byte, 1); }) > 0) continue;
  return 0;
}

}  // namespace berth::runtime::shim
