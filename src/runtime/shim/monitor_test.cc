#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>

#include "runtime/cgroups/tree.h"
#include "runtime/shim/shim_for_test.h"

// What the monitor does for a container: its life, its streams, its end.
namespace berth::runtime::shim {
namespace {

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

}  // namespace
}  // namespace berth::runtime::shim
