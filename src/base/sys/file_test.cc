#include "base/sys/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/process.h"
#include "base/sys/socket.h"

namespace berth::sys {
namespace {

TEST(TemporaryDir, IsGoneWithEverythingInIt) {
  std::string path;
  {
    const TemporaryDir dir{"/tmp"};
    path = dir.path();
    ensure_dir(path + "/a/b");
    write_file(path + "/a/b/c", "x");
    ASSERT_EQ(::symlink("/etc", (path + "/link").c_str()), 0);
  }
  EXPECT_FALSE(exists(path));
  EXPECT_TRUE(exists("/etc"));
}

TEST(OpenInRoot, SymlinksStayInside) {
  const TemporaryDir dir{"/tmp"};
  ensure_dir(dir.path() + "/root/etc");
  write_file(dir.path() + "/root/etc/passwd", "inside");
  write_file(dir.path() + "/outside", "outside");
  ASSERT_EQ(::symlink("/etc/passwd", (dir.path() + "/root/absolute").c_str()), 0);
  ASSERT_EQ(::symlink("../outside", (dir.path() + "/root/up").c_str()), 0);
  const UniqueFd root = open_file(dir.path() + "/root", O_PATH | O_DIRECTORY);
  const UniqueFd file = open_in_root(root, "absolute", O_RDONLY);
  EXPECT_EQ(read_all(file), "inside");
  EXPECT_FALSE(open_in_root_if_exists(root, "up", O_RDONLY));
}

TEST(MakeDirsInRoot, FollowsLinksWithinTheRoot) {
  const TemporaryDir dir{"/tmp"};
  ensure_dir(dir.path() + "/real");
  ASSERT_EQ(::symlink("/real", (dir.path() + "/link").c_str()), 0);
  const UniqueFd root = open_file(dir.path(), O_PATH | O_DIRECTORY);
  make_dirs_in_root(root, "/link/x/y", 0755, ::getuid(), ::getgid());
  EXPECT_TRUE(exists(dir.path() + "/real/x/y"));
}

TEST(WriteFileDurably, ReplacesAndLeavesNoTemporaryFile) {
  const TemporaryDir dir{"/tmp"};
  write_file_durably(dir.path() + "/f", "one");
  write_file_durably(dir.path() + "/f", "two");
  EXPECT_EQ(read_file(dir.path() + "/f"), "two");
  EXPECT_EQ(list_dir(dir.path()).size(), 1U);
}

TEST(ReadFile, RefusesWhatIsTooLarge) {
  const TemporaryDir dir{"/tmp"};
  write_file(dir.path() + "/f", std::string(5000, 'x'));
  EXPECT_THROW(read_file(dir.path() + "/f", 4096), Error);
}

TEST(ReadFileIfExists, AProcessThatEndsBetweenOpenAndReadIsNotThere) {
  Child child = spawn({.program = "/bin/true", .arguments = {"true"}, .environment = {}, .descriptors = {}});
  const UniqueFd stat = open_file(cat("/proc/", child.pid(), "/stat"), O_RDONLY);
  const std::string path = cat("/proc/self/fd/", stat.get());  // opens the same file, whatever has become of its folder
  EXPECT_TRUE(read_file_if_exists(path));
  child.wait();
  EXPECT_FALSE(read_file_if_exists(path));
}

TEST(Spawn, ReportsAFailedExecAndCarriesDescriptors) {
  EXPECT_THROW(spawn({.program = "/no/such/program", .arguments = {"x"}, .environment = {}, .descriptors = {}}), Error);
  const CommandResult result = run_command({"sh", "-c", "cat; exit 3"}, "hello");
  EXPECT_EQ(result.output, "hello");
  EXPECT_EQ(result.status.code, 3);
}

TEST(Messages, CarryBytesAndDescriptors) {
  auto [left, right] = socket_pair(SOCK_SEQPACKET);
  const UniqueFd file = memory_file("m", "content");
  send_message(left, "hello", {file.get()});
  const std::optional<Message> message = receive_message(right);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->bytes, "hello");
  ASSERT_EQ(message->fds.size(), 1U);
  EXPECT_EQ(read_all(message->fds[0]), "content");
  left.reset();
  EXPECT_EQ(receive_message(right)->bytes, "");
}

TEST(UnixSockets, LongPathsWork) {
  const TemporaryDir dir{"/tmp"};
  const std::string deep = dir.path() + "/" + std::string(100, 'd');
  ensure_dir(deep);
  const UniqueFd listener = listen_unix(deep + "/s", SOCK_STREAM);
  EXPECT_TRUE(connect_unix(deep + "/s", SOCK_STREAM));
  EXPECT_FALSE(connect_unix(deep + "/none", SOCK_STREAM));
}

}  // namespace
}  // namespace berth::sys
