#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

#include "runtime/shim/shim_for_test.h"

// What the program inside of a container sees and may do.
namespace berth::runtime::shim {
namespace {

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
