#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <functional>

#include "base/core/text.h"
#include "base/sys/file.h"
#include "runtime/cgroups/tree.h"
#include "runtime/shim/client.h"

// Real containers of a static busybox. Needs root, /bin/busybox and berth-shim beside the tests; skips otherwise.
namespace berth::runtime::shim {
namespace {

std::string self_folder() {
  char path[PATH_MAX];
  const ssize_t size = ::readlink("/proc/self/exe", path, sizeof path);
  const std::string self{path, static_cast<std::size_t>(size)};
  return self.substr(0, self.rfind('/'));
}

std::vector<oci::Mount> usual_mounts() {
  return {{"/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}},
          {"/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}},
          {"/dev/pts", "devpts", "devpts", {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
          {"/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}},
          {"/sys/fs/cgroup", "cgroup", "cgroup", {"ro", "nosuid", "noexec", "nodev"}},
          {"/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}},
          {"/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=67108864"}}};
}

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

TEST_F(ShimTest, RunsAProgramAndRecordsItsExit) {
  EXPECT_EQ(run_shell("echo out; echo err >&2; exit 7"), 7) << last_.message;
  EXPECT_EQ(logged().find("out\n") != std::string::npos, true);
  const std::string log = sys::read_file(request_.log.path);
  EXPECT_NE(log.find(R"({"log":"out\n","stream":"stdout","time":")"), std::string::npos) << log;
  EXPECT_NE(log.find(R"({"log":"err\n","stream":"stderr","time":")"), std::string::npos) << log;
  const auto record = read_exit_record(request_.run_dir);
  ASSERT_TRUE(record);
  EXPECT_EQ(record->exit_code, 7);
  EXPECT_FALSE(record->oom_killed);
  EXPECT_GE(record->finished_at, record->started_at);
  EXPECT_FALSE(read_init_record(request_.run_dir));
  for (const auto& hierarchy : cgroups::find_tree().hierarchies) {
    EXPECT_FALSE(sys::exists(hierarchy.path + request_.spec.linux_.cgroups_path));
  }
}

TEST_F(ShimTest, TellsStartWithAPidfd) {
  request_.spec.process.args = {"sleep", "100"};
  launch();
  auto started = await(EventKind::started);
  ASSERT_TRUE(started) << last_.message;
  ASSERT_EQ(started->fds.size(), 1U);
  EXPECT_EQ(sys::start_ticks(started->event.pid), started->event.start_ticks);
  EXPECT_TRUE(read_init_record(request_.run_dir));

  control_ = std::move(*connect(request_.socket_path));  // as a daemon that was restarted
  auto hello = await(EventKind::hello);
  ASSERT_TRUE(hello);
  EXPECT_EQ(hello->event.pid, started->event.pid);
  ASSERT_EQ(hello->fds.size(), 1U);
  sys::signal_pidfd(hello->fds[0], SIGKILL);
  const auto exited = await(EventKind::exited);
  ASSERT_TRUE(exited);
  EXPECT_EQ(exited->event.exit_code, 137);
}

TEST_F(ShimTest, ShowsAContainersOwnView) {
  EXPECT_EQ(
      run_shell("hostname 2>/dev/null || cat /proc/sys/kernel/hostname; echo pid $$; cat /proc/self/cgroup | head -1;"
                "ls /; ls -l /dev/null /dev/ptmx /dev/fd; cat /proc/keys | head -c1; ls /sys/firmware; echo x > "
                "/proc/sys/kernel/hostname"),
      1);
  const std::string out = logged();
  EXPECT_NE(out.find("testhost\n"), std::string::npos) << out;
  EXPECT_NE(out.find("pid 1\n"), std::string::npos) << out;
  EXPECT_NE(out.find(":/\n"), std::string::npos) << out;
  EXPECT_NE(out.find("Read-only file system"), std::string::npos) << out;
}

TEST_F(ShimTest, SaysWhyAProgramCannotRun) {
  EXPECT_EQ(run({"nosuch"}), -1);
  EXPECT_EQ(last_.kind, EventKind::failed);
  EXPECT_EQ(last_.stage, Stage::exec_not_found);
  EXPECT_EQ(last_.message, R"(exec: "nosuch": executable file not found in $PATH)");
  EXPECT_FALSE(sys::exists(request_.socket_path));
  EXPECT_FALSE(read_init_record(request_.run_dir));
  for (const auto& hierarchy : cgroups::find_tree().hierarchies) {
    EXPECT_FALSE(sys::exists(hierarchy.path + request_.spec.linux_.cgroups_path));
  }
}

TEST_F(ShimTest, SaysWhyAPathCannotRun) {
  EXPECT_EQ(run({"/nosuch"}), -1);
  EXPECT_EQ(last_.message, R"(exec: "/nosuch": stat /nosuch: no such file or directory)");
  child_.wait();
  EXPECT_EQ(run({"/etc"}), -1);
  EXPECT_EQ(last_.stage, Stage::exec_denied);
  EXPECT_EQ(last_.message, R"(exec: "/etc": is a directory)");
  child_.wait();
  EXPECT_EQ(run({"/etc/passwd"}), -1);
  EXPECT_EQ(last_.message, R"(exec: "/etc/passwd": permission denied)");
}

TEST_F(ShimTest, PassesBinaryInputAndOutputExactly) {
  request_.open_stdin = request_.stdin_once = true;
  request_.spec.process.args = {"cat"};
  prepare_shim();
  auto [ours, theirs] = stream_pair();
  attach(theirs, {.want_stdin = true, .want_stdout = true, .want_stderr = true, .early_data = "early"});
  theirs.reset();
  spawn_shim();
  std::string sent(3 << 20, 0);
  std::uint32_t state = 1;
  for (char& byte : sent) byte = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
  const pid_t writer = ::fork();
  if (writer == 0) {
    sys::write_all(ours, sent);
    ::shutdown(ours.get(), SHUT_WR);
    ::_exit(0);
  }
  prepared_.shim_ends.clear();
  const std::string frames = read_to_end(ours);
  ::waitpid(writer, nullptr, 0);
  std::string received;
  for (std::size_t at = 0; at + 8 <= frames.size();) {
    const auto byte = [&](std::size_t i) {
      return static_cast<std::size_t>(static_cast<unsigned char>(frames[at + i]));
    };
    const std::size_t size = byte(4) << 24 | byte(5) << 16 | byte(6) << 8 | byte(7);
    EXPECT_EQ(frames[at], 1);
    received.append(frames, at + 8, size);
    at += 8 + size;
  }
  EXPECT_EQ(received.size(), sent.size() + 5);
  EXPECT_TRUE(received == "early" + sent);
  const auto exited = await(EventKind::exited);
  ASSERT_TRUE(exited);
  EXPECT_EQ(exited->event.exit_code, 0);
}

TEST_F(ShimTest, GivesATerminal) {
  request_.spec.process.terminal = true;
  request_.spec.process.console_size = oci::Box{.height = 33, .width = 111};
  request_.spec.process.args = {"sh", "-c", "stty size; tty; ls -l /dev/console; read line; echo got $line; stty size"};
  prepare_shim();
  auto [ours, theirs] = stream_pair();
  attach(theirs, {.want_stdin = true, .want_stdout = true, .multiplexed = false, .early_data = "hel"});
  theirs.reset();
  spawn_shim();
  ASSERT_TRUE(await(EventKind::started)) << last_.message;
  std::string seen;
  while (seen.find("console") == std::string::npos) {
    char byte;
    ASSERT_EQ(sys::read_full(ours, &byte, 1), 1U);
    seen += byte;
  }
  send(control_, {.kind = CommandKind::resize, .serial = 1, .rows = 40, .columns = 120});
  ASSERT_TRUE(await(EventKind::done));
  sys::write_all(ours, "lo\n");
  seen += read_to_end(ours);
  EXPECT_NE(seen.find("33 111\r\n"), std::string::npos) << seen;
  EXPECT_NE(seen.find("/dev/pts/0\r\n"), std::string::npos) << seen;
  EXPECT_NE(seen.find("got hello\r\n40 120"), std::string::npos) << seen;
  const auto exited = await(EventKind::exited);
  EXPECT_TRUE(exited);
}

TEST_F(ShimTest, DetachesByKeysAndLivesOn) {
  request_.spec.process.terminal = true;
  request_.spec.process.args = {"cat"};
  launch();
  ASSERT_TRUE(await(EventKind::started)) << last_.message;
  auto [ours, theirs] = stream_pair();
  attach(theirs, {.want_stdin = true, .want_stdout = true, .multiplexed = false, .detach_keys = "\x10\x11"});
  theirs.reset();
  ASSERT_TRUE(await(EventKind::done));
  sys::write_all(ours, "a\x10");
  sys::write_all(ours, "\x11");
  EXPECT_TRUE(await(EventKind::detached));
  EXPECT_NE(read_to_end(ours), "x");
  EXPECT_EQ(::kill(read_init_record(request_.run_dir)->pid, 0), 0);
}

TEST_F(ShimTest, RunsAnExecBesideTheProgram) {
  request_.spec.process.args = {"sleep", "100"};
  launch();
  ASSERT_TRUE(await(EventKind::started)) << last_.message;
  auto [ours, theirs] = stream_pair();
  Exec exec{.exec_id = "e1", .process = request_.spec.process};
  exec.process.args = {"sh", "-c", "cat; echo $$ $HOME; cat /proc/self/cgroup | head -1; exit 5"};
  exec.process.user.lookup = "www";
  exec.process.cwd = "/tmp";
  exec.attach = Attach{.want_stdin = true, .want_stdout = true, .want_stderr = true, .multiplexed = false};
  send(control_, {.kind = CommandKind::exec, .serial = 3, .exec = exec}, {theirs.get()});
  theirs.reset();
  ASSERT_TRUE(await(EventKind::exec_started)) << last_.message;
  sys::write_all(ours, "input\n");
  ::shutdown(ours.get(), SHUT_WR);
  const std::string seen = read_to_end(ours);
  EXPECT_TRUE(seen.starts_with("input\n2 /var/www\n")) << seen;
  EXPECT_NE(seen.find(":/\n"), std::string::npos) << seen;
  auto ended = await(EventKind::exec_exited);
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->event.exit_code, 5);

  exec.exec_id = "e2";
  exec.process.args = {"nosuch"};
  exec.attach.reset();
  send(control_, {.kind = CommandKind::exec, .serial = 4, .exec = exec});
  auto failed = await(EventKind::exec_failed);
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->event.stage, Stage::exec_not_found);

  exec.exec_id = "e3";
  exec.process.args = {"sh", "-c", "tty"};
  exec.process.terminal = true;
  exec.process.user = {};
  exec.attach = Attach{.want_stdin = true, .want_stdout = true, .multiplexed = false};
  auto [mine, other] = stream_pair();
  send(control_, {.kind = CommandKind::exec, .serial = 5, .exec = exec}, {other.get()});
  other.reset();
  EXPECT_EQ(read_to_end(mine), "/dev/pts/0\r\n");
}

TEST_F(ShimTest, ProbesAreHeardAndEndInTime) {
  request_.spec.process.args = {"sleep", "100"};
  launch();
  ASSERT_TRUE(await(EventKind::started)) << last_.message;
  Exec exec{.exec_id = "p1", .process = request_.spec.process};
  exec.probe = Probe{.timeout_ns = 20'000'000'000, .output_limit = 10};
  exec.process.args = {"sh", "-c", "echo 123456; exec >&2; echo 789abc; exit 3"};
  send(control_, {.kind = CommandKind::exec, .exec = exec});
  auto ended = await(EventKind::exec_exited);
  ASSERT_TRUE(ended) << last_.message;
  EXPECT_EQ(ended->event.exit_code, 3);
  EXPECT_EQ(ended->event.output, "123456\n789...");
  EXPECT_FALSE(ended->event.timed_out);

  exec.exec_id = "p2";
  exec.probe->timeout_ns = 100'000'000;
  exec.process.args = {"sh", "-c", "echo slow; sleep 100; true"};
  send(control_, {.kind = CommandKind::exec, .exec = exec});
  ended = await(EventKind::exec_exited);
  ASSERT_TRUE(ended);
  EXPECT_TRUE(ended->event.timed_out);
  EXPECT_EQ(ended->event.exit_code, 137);
  EXPECT_EQ(ended->event.output, "slow\n");

  // What it leaves behind may write without end.
  exec.exec_id = "p3";
  exec.probe->timeout_ns = 20'000'000'000;
  exec.process.args = {"sh", "-c", "yes & sleep 0.2; exit 0"};
  send(control_, {.kind = CommandKind::exec, .serial = 3, .exec = exec});
  ended = await(EventKind::exec_exited);
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->event.exit_code, 0);
  EXPECT_TRUE(ended->event.output.ends_with("..."));
}

TEST_F(ShimTest, LooksUsersUpInTheImage) {
  request_.spec.process.user.lookup = "www";
  request_.spec.process.user.lookup_groups = {"5"};
  EXPECT_EQ(run_shell("id; echo $HOME; echo ok > /dev/stdout; cat /proc/self/status"), 0) << last_.message;
  const std::string out = logged();
  EXPECT_NE(out.find("uid=33(www) gid=33(www) groups=5,33(www),77(extra)"), std::string::npos) << out;
  EXPECT_NE(out.find("/var/www\nok\n"), std::string::npos) << out;
  EXPECT_NE(out.find("CapEff:\\u00090000000000000000"), std::string::npos) << out;
}

TEST_F(ShimTest, KeepsOnlyTheGivenCapabilities) {
  EXPECT_EQ(run_shell("cat /proc/self/status"), 0);
  const std::string out = logged();
  for (const char* set : {"CapPrm", "CapEff", "CapBnd"}) {
    EXPECT_NE(out.find(cat(set, ":\\u000900000000000000e1")), std::string::npos) << out;
  }
  EXPECT_NE(out.find("CapInh:\\u00090000000000000000"), std::string::npos) << out;
}

TEST_F(ShimTest, NamesAnUnknownUser) {
  request_.spec.process.user.lookup = "nobodyhere";
  EXPECT_EQ(run({"true"}), -1);
  EXPECT_EQ(last_.stage, Stage::user);
  EXPECT_EQ(last_.message, "unable to find user nobodyhere: no matching entries in passwd file");
}

TEST_F(ShimTest, MakesTheWorkingFolder) {
  request_.spec.process.cwd = "/made/here";
  EXPECT_EQ(run_shell("pwd"), 0);
  EXPECT_EQ(logged(), "/made/here\n");
  child_.wait();
  request_.spec.process.cwd = "/etc/passwd";
  EXPECT_EQ(run({"true"}), -1);
  EXPECT_EQ(last_.stage, Stage::working_dir);
  EXPECT_EQ(last_.message, "Cannot mkdir: /etc/passwd is not a directory");
}

TEST_F(ShimTest, BindsWithinTheRootOnly) {
  const std::string& folder = folder_->path();
  sys::ensure_dir(folder + "/volume/sub");
  sys::write_file(folder + "/volume/file", "content");
  ASSERT_EQ(::symlink("/../../../etc", (folder + "/lower/link").c_str()), 0);
  request_.spec.mounts.push_back({"/data/deep", "bind", folder + "/volume", {"rbind", "ro", "rprivate"}});
  request_.spec.mounts.push_back({"/data/one", "bind", folder + "/volume/file", {"bind", "rw"}});
  request_.spec.mounts.push_back({"/link/inside", "bind", folder + "/volume", {"rbind"}});
  EXPECT_EQ(run_shell("cat /data/deep/file /data/one /etc/inside/file; echo x > /data/deep/new; echo y > /data/one"), 0)
      << last_.message;
  EXPECT_NE(logged().find("contentcontentcontent"), std::string::npos) << logged();
  EXPECT_FALSE(sys::exists(folder + "/volume/new"));
  EXPECT_EQ(sys::read_file(folder + "/volume/file"), "y\n");
  EXPECT_FALSE(sys::exists("/etc/inside"));
}

TEST_F(ShimTest, ReportsAMountThatFails) {
  request_.spec.mounts.push_back({"/data", "bind", "/nosuch/source", {"rbind"}});
  EXPECT_EQ(run({"true"}), -1);
  EXPECT_EQ(last_.stage, Stage::mount);
  EXPECT_NE(last_.message.find("/nosuch/source"), std::string::npos) << last_.message;
}

TEST_F(ShimTest, CopiesUpIntoATmpfs) {
  request_.spec.mounts.push_back({"/etc", "tmpfs", "tmpfs", {"tmpcopyup", "ro", "size=1m"}});
  EXPECT_EQ(run_shell("cat /etc/group | head -n 1; echo x > /etc/new"), 1) << last_.message;
  EXPECT_NE(logged().find("root:x:0:\n"), std::string::npos) << logged();
}

TEST_F(ShimTest, KeepsTheRootReadOnly) {
  request_.spec.root.readonly = true;
  EXPECT_EQ(run_shell("echo x > /new"), 1);
  EXPECT_NE(logged().find("Read-only file system"), std::string::npos);
}

TEST_F(ShimTest, SetsLimitsAndSysctls) {
  request_.spec.linux_.resources.emplace();
  request_.spec.linux_.resources->pids = oci::PidsLimits{50};
  request_.spec.linux_.resources->memory = oci::MemoryLimits{.limit = 64 << 20};
  request_.spec.linux_.resources->cpu = oci::CpuLimits{.shares = 512, .quota = 50000};
  request_.spec.linux_.sysctl = {{"net.ipv4.ip_unprivileged_port_start", "0"}, {"kernel.msgmax", "9000"}};
  request_.spec.process.rlimits = {{"RLIMIT_NOFILE", 100, 50}};
  EXPECT_EQ(
      run_shell(
          "cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/msgmax; ulimit -n;"
          "cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/cpu/cpu.shares"),
      0)
      << last_.message << logged();
  EXPECT_EQ(logged(), "0\n9000\n50\n50\n67108864\n512\n");
}

TEST_F(ShimTest, RefusesABadLimit) {
  request_.spec.linux_.resources.emplace();
  request_.spec.linux_.resources->cpu = oci::CpuLimits{.cpus = "900"};
  EXPECT_EQ(run({"true"}), -1);
  EXPECT_EQ(last_.stage, Stage::cgroup);
  EXPECT_NE(last_.message.find("cpuset.cpus"), std::string::npos) << last_.message;
}

TEST_F(ShimTest, TellsOfAnOomKill) {
  request_.spec.linux_.resources.emplace();
  request_.spec.linux_.resources->memory = oci::MemoryLimits{.limit = 16 << 20, .swap = 16 << 20};
  EXPECT_EQ(run_shell("exec dd if=/dev/zero of=/dev/null bs=100M count=1"), 137) << logged();
  EXPECT_TRUE(last_.oom_killed || read_exit_record(request_.run_dir)->oom_killed);
}

TEST_F(ShimTest, RunsUnderAnInit) {
  request_.init_path = self_folder() + "/../bin/berth-init";
  EXPECT_EQ(run_shell("cat /proc/1/cmdline; exit 9"), 9) << last_.message;
  EXPECT_NE(logged().find("docker-init"), std::string::npos) << logged();
}

TEST_F(ShimTest, TakesItsProgramAlongWhenKilled) {
  request_.spec.process.args = {"sleep", "100"};
  launch();
  auto started = await(EventKind::started);
  ASSERT_TRUE(started);
  child_.kill(SIGKILL);
  child_.wait();
  pollfd poll{started->fds[0].get(), POLLIN, 0};
  EXPECT_EQ(::poll(&poll, 1, 5000), 1);
  end_orphan(*read_init_record(request_.run_dir), request_.spec.linux_.cgroups_path);
}

TEST_F(ShimTest, KillsWhatIsLeftWithoutAPidNamespace) {
  std::erase_if(request_.spec.linux_.namespaces, [](const auto& space) { return space.type == "pid"; });
  EXPECT_EQ(run_shell("sleep 100 & echo $!"), 0) << last_.message;
  const auto pid = parse_number<pid_t>(trim(logged()));
  ASSERT_TRUE(pid) << logged();
  child_.wait();
  EXPECT_NE(::kill(*pid, 0), 0);
}

TEST_F(ShimTest, WaitsForTheNetwork) {
  request_.wait_for_network = true;
  request_.spec.process.args = {"sh", "-c", "cat /proc/net/dev"};
  launch();
  const pid_t holder = ::fork();
  if (holder == 0) {
    ::unshare(CLONE_NEWNET);
    ::pause();
    ::_exit(0);
  }
  ::usleep(50'000);
  const sys::UniqueFd space = sys::open_file(cat("/proc/", holder, "/ns/net"), O_RDONLY);
  send(control_, {.kind = CommandKind::network, .serial = 2}, {space.get()});
  ASSERT_TRUE(await(EventKind::started)) << last_.message;
  EXPECT_TRUE(await(EventKind::exited));
  EXPECT_NE(logged().find("lo:"), std::string::npos) << logged();
  ::kill(holder, SIGKILL);
  ::waitpid(holder, nullptr, 0);
}

TEST_F(ShimTest, GivesUpWhenAsked) {
  request_.wait_for_network = true;
  launch();
  send(control_, {.kind = CommandKind::abort, .serial = 2});
  ASSERT_TRUE(await(EventKind::failed));
  EXPECT_FALSE(read_init_record(request_.run_dir));
  EXPECT_EQ(child_.wait().code, 0);
}

TEST_F(ShimTest, GivesUpWhenAskedBeforeItListens) {
  request_.wait_for_network = true;
  prepare_shim();
  send(control_, {.kind = CommandKind::abort, .serial = 1});
  send(control_, {.kind = CommandKind::abort, .serial = 2});  // nobody takes this one
  spawn_shim();
  ASSERT_TRUE(await(EventKind::failed));
  EXPECT_EQ(child_.wait().code, 0);
}

TEST_F(ShimTest, LoadsASeccompProgram) {
  // mkdir answers ELOOP, everything else is allowed.
  const sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mkdir, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ELOOP), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  request_.seccomp_program.assign(reinterpret_cast<const char*>(filter), sizeof filter);
  for (const bool no_new_privileges : {false, true}) {
    request_.spec.process.no_new_privileges = no_new_privileges;
    EXPECT_EQ(run_shell("busybox mkdir /x"), 1) << last_.message;
    child_.wait();
  }
  EXPECT_EQ(logged(),
            "mkdir: can't create directory '/x': Too many levels of symbolic links\nmkdir: can't create directory "
            "'/x': Too many levels of symbolic links\n");
}

#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr long kMonitorKib = 24 << 10;  // with its shadow; still less than what the program writes
#else
constexpr long kMonitorKib = 8 << 10;
#endif

/// A reader that stops: the program must stall, nothing must be lost, and memory must not grow.
TEST_F(ShimTest, ASlowClientHoldsTheProgramBack) {
  request_.log.driver = "none";
  request_.spec.process.args = {"sh", "-c", "dd if=/dev/zero bs=65536 count=512 2>/dev/null"};
  prepare_shim();
  auto [ours, theirs] = stream_pair();
  attach(theirs, {.want_stdout = true, .multiplexed = false});
  theirs.reset();
  spawn_shim();
  ASSERT_TRUE(await(EventKind::started)) << last_.message;
  ::usleep(200'000);
  const std::string status = sys::read_file(cat("/proc/", child_.pid(), "/status"));
  const std::size_t at = status.find("VmRSS:");
  EXPECT_LT(std::strtol(status.c_str() + at + 6, nullptr, 10), kMonitorKib);
  EXPECT_TRUE(read_init_record(request_.run_dir));  // still running
  EXPECT_EQ(read_to_end(ours).size(), 512U * 65536);
  EXPECT_TRUE(await(EventKind::exited));
}

TEST_F(ShimTest, AClientThatGoesAwayChangesNothing) {
  request_.spec.process.args = {"sh", "-c", "for i in $(seq 2000); do echo line $i; done; sleep 0.1; echo end"};
  prepare_shim();
  auto [ours, theirs] = stream_pair();
  attach(theirs, {.want_stdin = true, .want_stdout = true});
  theirs.reset();
  spawn_shim();
  ASSERT_TRUE(await(EventKind::started)) << last_.message;
  ours.reset();
  auto exited = await(EventKind::exited);
  ASSERT_TRUE(exited);
  EXPECT_EQ(exited->event.exit_code, 0);
  EXPECT_TRUE(logged().ends_with("line 2000\nend\n"));
}

TEST_F(ShimTest, LivesOnWithoutItsDaemon) {
  request_.spec.process.args = {"sh", "-c", "sleep 0.2; exit 3"};
  launch();
  ASSERT_TRUE(await(EventKind::started)) << last_.message;
  control_.reset();
  child_.wait();
  ASSERT_TRUE(read_exit_record(request_.run_dir));
  EXPECT_EQ(read_exit_record(request_.run_dir)->exit_code, 3);
}

TEST_F(ShimTest, LeavesNoDescriptorToTheProgram) {
  EXPECT_EQ(run_shell("ls /proc/self/fd"), 0);
  EXPECT_EQ(logged(), "0\n1\n2\n3\n");  // 3 is the folder that ls reads
}

TEST_F(ShimTest, MapsUsers) {
  request_.spec.linux_.namespaces.push_back({"user", ""});
  request_.spec.linux_.uid_mappings = {{0, 100000, 65536}};
  request_.spec.linux_.gid_mappings = {{0, 100000, 65536}};
  for (const char* name : {"", "/upper", "/work", "/lower"}) {
    ASSERT_EQ(::chmod((folder_->path() + name).c_str(), 0755), 0);
    ASSERT_EQ(::chown((folder_->path() + name).c_str(), 100000, 100000), 0);
  }
  EXPECT_EQ(run_shell("id -u; cat /proc/self/uid_map; echo x > /new; ls -l /dev/null"), 0) << last_.message << logged();
  EXPECT_NE(logged().find("100000"), std::string::npos) << logged();
}

}  // namespace
}  // namespace berth::runtime::shim
