#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <climits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/core/text.h"
#include "base/sys/file.h"
#include "runtime/shim/client.h"

namespace berth::runtime::shim {

inline std::string self_folder() {
  char path[PATH_MAX];
  const ssize_t size = ::readlink("/proc/self/exe", path, sizeof path);
  const std::string self{path, static_cast<std::size_t>(size)};
  return self.substr(0, self.rfind('/'));
}

inline std::vector<oci::Mount> usual_mounts() {
  return {{"/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}},
          {"/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}},
          {"/dev/pts", "devpts", "devpts", {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
          {"/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}},
          {"/sys/fs/cgroup", "cgroup", "cgroup", {"ro", "nosuid", "noexec", "nodev"}},
          {"/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}},
          {"/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=67108864"}}};
}

/// Real containers of a static busybox. Needs root, /bin/busybox and berth-shim beside the tests; skips otherwise.
class ShimTest : public testing::Test {
 protected:
  void SetUp() override {
    const std::string shim = self_folder() + "/../bin/berth-shim";
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    if (!sys::exists(shim) || !sys::exists("/bin/busybox")) GTEST_SKIP() << "needs berth-shim and /bin/busybox";
    program_ = seal_program(shim);
    folder_.emplace("/tmp", "berth-shim-test-");
    request_ = base_request();
  }

  void TearDown() override {
    if (child_.pid() > 0) {
      control_.reset();
      child_.kill(SIGKILL);
      child_.wait();
    }
    if (!request_.id.empty()) {
      if (const auto record = read_init_record(request_.run_dir))
        end_orphan(*record, request_.spec.linux_.cgroups_path);
    }
  }

  LaunchRequest base_request() {
    const std::string& folder = folder_->path();
    for (const char* name : {"lower/bin", "lower/etc", "lower/tmp", "lower/root", "upper", "work", "run"}) {
      sys::ensure_dir(cat(folder, '/', name));
    }
    sys::write_file(folder + "/lower/bin/busybox", sys::read_file("/bin/busybox"), 0755);
    for (const char* name : {"sh", "true", "cat", "echo", "id", "sleep", "ls", "mount", "head", "stat", "dd", "seq",
                             "stty", "kill", "ps", "tty"}) {
      EXPECT_EQ(::symlink("busybox", cat(folder, "/lower/bin/", name).c_str()), 0);
    }
    sys::write_file(folder + "/lower/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nwww:x:33:33:www:/var/www:/bin/sh\n");
    sys::write_file(folder + "/lower/etc/group", "root:x:0:\nwww:x:33:\nextra:x:77:www\n");

    LaunchRequest request;
    request.id = random_id();
    request.run_dir = folder + "/run";
    request.socket_path = folder + "/run/shim.sock";
    request.root = {.overlay = true,
                    .lower_dirs = {folder + "/lower"},
                    .upper_dir = folder + "/upper",
                    .work_dir = folder + "/work",
                    .volatile_upper = true};
    request.log = {.driver = "json-file", .path = folder + "/log"};
    request.spec.process.args = {"true"};
    request.spec.process.env = {"PATH=/usr/bin:/bin"};
    const std::vector<std::string> caps = {"CAP_CHOWN", "CAP_SETUID", "CAP_SETGID", "CAP_KILL"};
    request.spec.process.capabilities = oci::Capabilities{caps, caps, {}, caps, {}};
    request.spec.hostname = "testhost";
    request.spec.mounts = usual_mounts();
    request.spec.linux_.cgroups_path = cat("/berth-test/", request.id);
    request.spec.linux_.namespaces = {{"pid", ""}, {"network", ""}, {"mount", ""},
                                      {"ipc", ""}, {"uts", ""},     {"cgroup", ""}};
    request.spec.linux_.masked_paths = {"/proc/kcore", "/proc/keys", "/proc/acpi", "/sys/firmware"};
    request.spec.linux_.readonly_paths = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
    return request;
  }

  void prepare_shim() {
    prepared_ = prepare(program_, request_);
    control_ = std::move(prepared_.control);
  }
  void spawn_shim() {
    child_ = sys::spawn(prepared_.options);
    prepared_.shim_ends.clear();
  }
  void launch() {
    prepare_shim();
    spawn_shim();
  }

  /// Receives until `kind` or the end of the connection; all that came before is dropped.
  std::optional<Received> await(EventKind kind) {
    for (;;) {
      pollfd poll{control_.get(), POLLIN, 0};
      if (::poll(&poll, 1, 10'000) != 1) return std::nullopt;
      auto [arrival, received] = receive(control_);
      if (arrival != Arrival::event) return std::nullopt;
      last_ = received.event;
      if (received.event.kind == kind) return std::move(received);
    }
  }

  /// Runs to the end; the exit code, or -1 - with last_ telling why - when it did not start.
  int run(std::vector<std::string> args) {
    request_.spec.process.args = std::move(args);
    launch();
    const auto exited = await(EventKind::exited);
    while (exited && await(EventKind::hello)) {
    }
    return exited ? exited->event.exit_code : -1;
  }
  int run_shell(const std::string& script) { return run({"sh", "-c", script}); }

  /// The text of the log's entries.
  std::string logged() {
    std::string out;
    for (const std::string& line : split(sys::read_file(request_.log.path), '\n')) {
      if (line.empty()) continue;
      const std::size_t end = line.find(R"(","stream":)");
      std::string text = line.substr(8, end - 8);
      for (std::size_t at = text.find("\\n"); at != std::string::npos; at = text.find("\\n")) text.replace(at, 2, "\n");
      out += text;
    }
    return out;
  }

  std::pair<sys::UniqueFd, sys::UniqueFd> stream_pair() { return sys::socket_pair(SOCK_STREAM); }

  void attach(const sys::UniqueFd& theirs, Attach attach) {
    send(control_, {.kind = CommandKind::attach, .serial = 1, .attach = std::move(attach)}, {theirs.get()});
  }

  std::string read_to_end(const sys::UniqueFd& fd) { return sys::read_all(fd, 1 << 30); }

  sys::UniqueFd program_;
  std::optional<sys::TemporaryDir> folder_;
  LaunchRequest request_;
  Prepared prepared_;
  sys::UniqueFd control_;
  sys::Child child_;
  Event last_;
};

}  // namespace berth::runtime::shim
