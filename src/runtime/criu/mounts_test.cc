#include "runtime/criu/mounts.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "runtime/criu/images.h"

namespace berth::runtime::criu {
namespace {

std::vector<std::string> shown(const std::vector<ExternalMount>& mounts) {
  std::vector<std::string> out;
  for (const ExternalMount& mount : mounts) out.push_back(mount.mountpoint + " " + mount.destination + mount.below);
  return out;
}

TEST(CriuMounts, OnlyBindsGroupsAndCoversComeFromTheHost) {
  oci::Spec spec;
  spec.mounts = {{.destination = "/proc", .type = "proc"},
                 {.destination = "/data", .type = "bind", .source = "/srv", .options = {}},
                 {.destination = "/run", .type = "none", .source = "/r", .options = {"rbind"}},
                 {.destination = "/sys/fs/cgroup", .type = "cgroup"}};
  spec.linux_.cgroups_path = "/berth/x";
  spec.linux_.masked_paths = {"/proc/keys"};
  const cgroups::Tree v1{
      {{.path = "/cg/cpu,cpuacct", .name = "cpu,cpuacct"}, {.path = "/cg/u", .name = "u", .v2 = true}}};
  std::vector<std::string> found;
  for (const MountSource& one : mount_sources(spec, "/init", v1)) found.push_back(one.destination + " " + one.source);
  EXPECT_EQ(found, (std::vector<std::string>{"/proc ", "/data /srv", "/run /r", "/sys/fs/cgroup ",
                                             "/sys/fs/cgroup/cpu,cpuacct /cg/cpu,cpuacct/berth/x",
                                             "/sbin/docker-init /init", "/proc/keys /dev/null"}));
  const cgroups::Tree v2{{{.path = "/cg", .v2 = true}}};
  EXPECT_EQ(mount_sources(spec, "", v2)[3].source, "/cg/berth/x");
}

TEST(CriuMounts, ExternalOnesAreKnownByTheirIds) {
  const std::vector<MountLine> lines = parse_mountinfo(
      "10 1 0:1 / / rw - overlay overlay rw\n"
      "11 10 0:2 / /proc rw - proc proc rw\n"
      "12 10 8:1 /srv /real/data rw shared:1 - ext4 /dev/sda rw\n"
      "13 12 8:2 / /real/data/disk\\040two rw - ext4 /dev/sdb rw\n"
      "14 12 0:9 / /real/data/tmp rw - tmpfs tmpfs rw\n"
      "15 11 0:5 /null /proc/keys rw - devtmpfs dev rw\n"
      "16 11 0:2 /sys /proc/sys ro - proc proc rw\n"
      "nonsense\n");
  ASSERT_EQ(lines.size(), 7U);
  // "/data" is a link of the image to /real/data; /proc/kcore has no cover, so it lies on /proc itself.
  const std::vector<MountSource> sources = {{"/proc", ""},
                                            {"/data", "/srv"},
                                            {"/data/tmp", ""},
                                            {"/proc/keys", "/dev/null", true},
                                            {"/proc/kcore", "/dev/null", true},
                                            {"/gone", "/x"}};
  EXPECT_EQ(
      shown(external_mounts(sources, {11, 12, 14, 15, 11, 0}, lines)),
      (std::vector<std::string>{"/real/data /data", "/proc/keys /proc/keys", "/real/data/disk two /data/disk two"}));
}

TEST(CriuMounts, TheLogTellsTheCause) {
  EXPECT_EQ(errors_in_log("(00.1) Warn (a.c:1): x\n(00.2)  7: Error (a.c:2): mnt: no\nError (b.c:3): second\n\n"),
            "mnt: no; second");
  EXPECT_EQ(errors_in_log("fine\n"), "");
}

}  // namespace
}  // namespace berth::runtime::criu
