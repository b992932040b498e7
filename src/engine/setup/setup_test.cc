#include <gtest/gtest.h>

#include <algorithm>

#include "base/core/error.h"
#include "engine/setup/parts.h"

namespace berth::engine {
namespace {

std::string error_of(auto call) {
  try {
    call();
  } catch (const Error& error) {
    return error.text();
  }
  return "";
}

container::CreateRequest request_of(const std::string& json) { return json::from_json<container::CreateRequest>(json); }

std::string check(const std::string& json, const std::string& name = "") {
  return error_of([&] { check_create(request_of(json), name); });
}

struct Refusal {
  const char* json;
  const char* text;
};

class CheckCreate : public ::testing::TestWithParam<Refusal> {};

TEST_P(CheckCreate, RefusesWithDockersText) { EXPECT_EQ(check(GetParam().json), GetParam().text); }

INSTANTIATE_TEST_SUITE_P(
    Table, CheckCreate,
    ::testing::Values(
        Refusal{R"({"WorkingDir":"a/b"})", "the working directory 'a/b' is invalid, it needs to be an absolute path"},
        Refusal{R"({"StopSignal":"FOO"})", "invalid signal: FOO"},
        Refusal{R"({"Env":["=x"]})", "invalid environment variable: =x"},
        Refusal{R"({"Healthcheck":{"Interval":5}})", "Interval in Healthcheck cannot be less than 1ms"},
        Refusal{R"({"ExposedPorts":{"x/tcp":{}}})", "invalid port specification: \"x/tcp\""},
        Refusal{R"({"HostConfig":{"PortBindings":{"80/tcp":[{"HostPort":"99999"}]}}})",
                "invalid port specification: \"99999\""},
        Refusal{R"({"HostConfig":{"AutoRemove":true,"RestartPolicy":{"Name":"always"}}})",
                "can't create 'AutoRemove' container with restart policy"},
        Refusal{R"({"HostConfig":{"ExtraHosts":["foo"]}})", "bad format for add-host: \"foo\""},
        Refusal{R"({"HostConfig":{"ExtraHosts":["foo:bar"]}})", "invalid IP address in add-host: \"bar\""},
        Refusal{R"({"HostConfig":{"CapAdd":["foo"]}})", "invalid CapAdd: unknown capability: \"CAP_FOO\""},
        Refusal{R"({"HostConfig":{"CapDrop":["CAP_BAR"]}})", "invalid CapDrop: unknown capability: \"CAP_BAR\""},
        Refusal{R"({"HostConfig":{"ShmSize":-1}})", "SHM size can not be less than 0"},
        Refusal{R"({"HostConfig":{"OomScoreAdj":2000}})",
                "Invalid value 2000, range for oom score adj is [-1000, 1000]"},
        Refusal{R"({"HostConfig":{"Isolation":"hyperv"}})", "invalid isolation 'hyperv' on linux"},
        Refusal{R"({"HostConfig":{"IpcMode":"foo"}})", "invalid IPC mode: foo"},
        Refusal{R"({"HostConfig":{"PidMode":"foo"}})", "invalid PID mode: foo"},
        Refusal{R"({"HostConfig":{"UTSMode":"foo"}})", "invalid UTS mode: foo"},
        Refusal{R"({"HostConfig":{"CgroupnsMode":"foo"}})", "invalid cgroup namespace mode: foo"},
        Refusal{R"({"Hostname":"h","HostConfig":{"UTSMode":"host"}})",
                "conflicting options: hostname and the UTS mode"},
        Refusal{R"({"Hostname":"h","HostConfig":{"NetworkMode":"container:x"}})",
                "conflicting options: hostname and the network mode"},
        Refusal{R"({"HostConfig":{"NetworkMode":"container:x","PublishAllPorts":true}})",
                "conflicting options: port publishing and the container type network mode"},
        Refusal{R"({"HostConfig":{"SecurityOpt":["foo"]}})", "invalid --security-opt 1: \"foo\""},
        Refusal{R"({"HostConfig":{"SecurityOpt":["foo=bar"]}})", "invalid --security-opt 2: \"foo=bar\""},
        Refusal{R"({"HostConfig":{"Sysctls":{"kernel.panic":"1"}}})",
                "sysctl \"kernel.panic\" is not in a separate kernel namespace"},
        Refusal{R"({"HostConfig":{"NetworkMode":"host","Sysctls":{"net.ipv4.ip_forward":"1"}}})",
                "sysctl \"net.ipv4.ip_forward\" not allowed in host network namespace"},
        Refusal{R"({"HostConfig":{"DeviceCgroupRules":["c 1 rwm"]}})", "invalid device cgroup rule format: 'c 1 rwm'"},
        Refusal{R"({"HostConfig":{"DeviceRequests":[{"Count":-1,"Capabilities":[["gpu"]]}]}})",
                "could not select device driver \"\" with capabilities: [[gpu]]"},
        Refusal{R"({"HostConfig":{"LogConfig":{"Type":"foo"}}})", "logger: no log driver named 'foo' is registered"},
        Refusal{R"({"HostConfig":{"LogConfig":{"Type":"json-file","Config":{"x":"1"}}}})",
                "unknown log opt 'x' for json-file log driver"},
        Refusal{R"({"HostConfig":{"Binds":["/a:/b:/c:/d"]}})", "invalid volume specification: '/a:/b:/c:/d'"},
        Refusal{R"({"HostConfig":{"Binds":["/a:/b:foo"]}})", "invalid mode: foo"},
        Refusal{R"({"HostConfig":{"Binds":["/a:b"]}})",
                "invalid volume specification: '/a:b': invalid mount config for type \"bind\": invalid mount path: 'b' "
                "mount path must be absolute"},
        Refusal{R"({"HostConfig":{"Binds":["/a:/"]}})",
                "invalid volume specification: '/a:/': invalid mount config for type \"bind\": invalid specification: "
                "destination can't be '/'"},
        Refusal{R"({"HostConfig":{"Binds":["x:/a"]}})",
                "create x: volume name is too short, names should be at least two alphanumeric characters"},
        Refusal{R"({"HostConfig":{"Mounts":[{"Type":"bind","Source":"/no/such","Target":"/x"}]}})",
                "invalid mount config for type \"bind\": bind source path does not exist: /no/such"},
        Refusal{R"({"HostConfig":{"Mounts":[{"Type":"bind","Source":"/tmp"}]}})",
                "invalid mount config for type \"bind\": field Target must not be empty"},
        Refusal{R"({"HostConfig":{"Mounts":[{"Type":"foo","Target":"/x"}]}})",
                "invalid mount config for type \"foo\": mount type unknown"},
        Refusal{R"({"HostConfig":{"Tmpfs":{"/x":"foo=1"}}})", "invalid tmpfs option [\"foo=1\"]"}));

TEST(CheckCreate, Names) {
  EXPECT_EQ(check("{}", "/good_name-1.x"), "");
  EXPECT_EQ(check("{}", ""), "");
  for (const char* name : {"a", "-a", "a b", "a/b", "/"}) {
    EXPECT_EQ(check("{}", name),
              std::string{"Invalid container name ("} + name + "), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed");
  }
}

TEST(CheckCreate, WhatIsLaterIsRefusedClearly) {
  for (const char* json :
       {R"({"HostConfig":{"Mounts":[{"Type":"image","Source":"x","Target":"/x"}]}})",
        R"({"HostConfig":{"LogConfig":{"Type":"syslog"}}})", R"({"HostConfig":{"Links":["a:b"]}})"}) {
    try {
      check_create(request_of(json), "");
      FAIL() << json;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::not_implemented);
    }
  }
}

SetupDefaults defaults_of_two_cpus() {
  SetupDefaults defaults;
  defaults.host.cpus = "0-1";
  defaults.host.mems = "0";
  defaults.host.cpu_count = 2;
  return defaults;
}

image::ResolvedImage busybox() {
  image::ResolvedImage image;
  image.os = "linux";
  image.architecture = "amd64";
  image.config.env = {"PATH=/bin", "A=image"};
  image.config.cmd = {.items = {"sh"}, .given = true};
  image.config.labels = {{"l", "image"}};
  return image;
}

std::string prepare(const std::string& json, SetupDefaults defaults = defaults_of_two_cpus()) {
  return error_of([&] {
    container::CreateRequest request = request_of(json);
    std::vector<std::string> warnings;
    prepare_create(request, busybox(), defaults, warnings);
  });
}

class PrepareCreate : public ::testing::TestWithParam<Refusal> {};
TEST_P(PrepareCreate, RefusesWithDockersText) { EXPECT_EQ(prepare(GetParam().json), GetParam().text); }

INSTANTIATE_TEST_SUITE_P(
    Table, PrepareCreate,
    ::testing::Values(
        Refusal{R"({"HostConfig":{"Memory":1048576}})", "Minimum memory limit allowed is 6MB"},
        Refusal{R"({"HostConfig":{"Memory":104857600,"MemorySwap":52428800}})",
                "Minimum memoryswap limit should be larger than memory limit, see usage"},
        Refusal{R"({"HostConfig":{"MemorySwap":52428800}})",
                "You should always set the Memory limit when using Memoryswap limit, see usage"},
        Refusal{R"({"HostConfig":{"MemorySwappiness":101}})",
                "Invalid value: 101, valid memory swappiness range is 0-100"},
        Refusal{R"({"HostConfig":{"NanoCpus":3000000000}})",
                "range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available"},
        Refusal{R"({"HostConfig":{"NanoCpus":1000000000,"CpuPeriod":100000}})",
                "Conflicting options: Nano CPUs and CPU Period cannot both be set"},
        Refusal{R"({"HostConfig":{"CpuPeriod":10}})",
                "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)"},
        Refusal{R"({"HostConfig":{"CpusetCpus":"0-5"}})",
                "Requested CPUs are not available - requested 0-5, available: 0-1"},
        Refusal{R"({"HostConfig":{"CpusetCpus":"x"}})", "Invalid value x for cpuset cpus: invalid format: x"},
        Refusal{R"({"HostConfig":{"BlkioWeight":5}})", "Range of blkio weight is from 10 to 1000"},
        Refusal{R"({"HostConfig":{"Runtime":"foo"}})", "unknown or invalid runtime name: foo"},
        Refusal{R"({"Entrypoint":[],"Cmd":[]})", ""},
        Refusal{R"({"NetworkingConfig":{"EndpointsConfig":{"bridge":{"IPAMConfig":{"IPv4Address":"10.0.0.9"}}}}})",
                "user specified IP address is supported on user defined networks only"}));

TEST(PrepareCreate, MergesTheImageUnderTheRequest) {
  container::CreateRequest request = request_of(R"({"Env":["A=mine","B"],"Labels":{"m":"1"}})");
  std::vector<std::string> warnings;
  prepare_create(request, busybox(), defaults_of_two_cpus(), warnings);
  EXPECT_EQ(request.env, (std::vector<std::string>{"A=mine", "B", "PATH=/bin"}));
  EXPECT_EQ(request.labels.size(), 2u);
  EXPECT_EQ(program_of(request).first, "sh");
  EXPECT_EQ(request.host_config.network_mode, "bridge");
  EXPECT_EQ(request.host_config.restart_policy.name, "no");
  EXPECT_EQ(request.host_config.shm_size, 64 << 20);
  EXPECT_EQ(request.host_config.log_config.type, "json-file");
  EXPECT_FALSE(request.host_config.masked_paths);  // the default is not kept
  add_default_paths(request.host_config);
  EXPECT_EQ(request.host_config.masked_paths->front(), "/proc/acpi");
  EXPECT_TRUE(warnings.empty());
}

TEST(PrepareCreate, EmptyEntrypointTakesTheImagesAway) {
  image::ResolvedImage image = busybox();
  image.config.entrypoint = {.items = {"/entry"}, .given = true};
  std::vector<std::string> warnings;
  container::CreateRequest plain = request_of(R"({"Cmd":["x"]})"),
                           reset = request_of(R"({"Entrypoint":[""],"Cmd":["x"]})");
  prepare_create(plain, image, {}, warnings);
  prepare_create(reset, image, {}, warnings);
  EXPECT_EQ(program_of(plain), (std::pair<std::string, std::vector<std::string>>{"/entry", {"x"}}));
  EXPECT_EQ(program_of(reset).first, "x");
  container::CreateRequest nothing = request_of(R"({"Entrypoint":[""]})");
  EXPECT_EQ(error_of([&] { prepare_create(nothing, image, {}, warnings); }), "no command specified");
}

TEST(PrepareCreate, SwapIsTwiceTheMemoryOrAWarning) {
  container::CreateRequest request = request_of(R"({"HostConfig":{"Memory":104857600}})");
  std::vector<std::string> warnings;
  prepare_create(request, busybox(), {}, warnings);
  EXPECT_EQ(request.host_config.memory_swap, 209715200);
  SetupDefaults no_swap;
  no_swap.host.swap_limit = false;
  container::CreateRequest other = request_of(R"({"HostConfig":{"Memory":104857600}})");
  prepare_create(other, busybox(), no_swap, warnings);
  EXPECT_EQ(other.host_config.memory_swap, -1);
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_EQ(warnings[0],
            "Your kernel does not support swap limit capabilities or the cgroup is not mounted. "
            "Memory limited without swap.");
  container::CreateRequest huge = request_of(R"({"HostConfig":{"Memory":9223372036854775807}})");
  prepare_create(huge, busybox(), {}, warnings);
  EXPECT_EQ(huge.host_config.memory_swap, -1);
}

TEST(MountPoints, BindsVolumesAndTmpfs) {
  const auto points = resolve_mount_points(
      request_of(R"({"Volumes":{"/data":{}},"HostConfig":{"Binds":["/host:/a/b:ro,rslave","named:/c"],
                     "Mounts":[{"Type":"tmpfs","Target":"/t","TmpfsOptions":{"SizeBytes":1024,"Mode":511}}]}})"),
      {});
  ASSERT_EQ(points.size(), 4u);
  EXPECT_EQ(points[0].name, "named");
  EXPECT_EQ(points[0].mode, "z");
  EXPECT_EQ(points[1].destination, "/data");
  EXPECT_TRUE(points[1].anonymous);
  EXPECT_EQ(points[1].name.size(), 64u);
  EXPECT_EQ(points[2].tmpfs_options, "mode=777,size=1024");
  EXPECT_EQ(points[3].source, "/host");
  EXPECT_FALSE(points[3].rw);
  EXPECT_EQ(points[3].propagation, "rslave");
  EXPECT_TRUE(points[3].create_source);
}

TEST(MountPoints, OnePlaceOneMount) {
  EXPECT_EQ(error_of([] { resolve_mount_points(request_of(R"({"HostConfig":{"Binds":["/a:/x","/b:/x/"]}})"), {}); }),
            "Duplicate mount point: /x");
  EXPECT_EQ(
      error_of([] { resolve_mount_points(request_of(R"({"HostConfig":{"Binds":["/a:/x"],"Tmpfs":{"/x":""}}})"), {}); }),
      "Duplicate mount point: /x");
}

TEST(MountPoints, VolumesFromAreCopiedAndCanBeReadOnly) {
  container::Record other;
  other.mount_points = {{.type = "volume", .name = "vol", .destination = "/v", .anonymous = true}};
  const auto points = resolve_mount_points(request_of(R"({"HostConfig":{"VolumesFrom":["o:ro"]}})"), {{"o", &other}});
  ASSERT_EQ(points.size(), 1u);
  EXPECT_EQ(points[0].name, "vol");
  EXPECT_FALSE(points[0].rw);
  EXPECT_FALSE(points[0].anonymous);
}

TEST(Tmpfs, LaterOptionsReplaceEarlierOnes) {
  EXPECT_EQ(setup::tmpfs_options("exec,size=1m,size=2m"),
            (std::vector<std::string>{"nosuid", "nodev", "rprivate", "exec", "size=2m"}));
}

TEST(CleanPath, IsGos) {
  EXPECT_EQ(setup::clean_path("/a//b/../c/"), "/a/c");
  EXPECT_EQ(setup::clean_path("/../.."), "/");
  EXPECT_EQ(setup::clean_path("../a"), "../a");
  EXPECT_EQ(setup::clean_path(""), ".");
}

container::Record record_of(const std::string& json) {
  container::CreateRequest request = request_of(json);
  std::vector<std::string> warnings;
  prepare_create(request, busybox(), defaults_of_two_cpus(), warnings);
  container::Record record;
  record.id = std::string(64, 'a');
  record.mount_points = resolve_mount_points(request, {});
  std::tie(record.path, record.args) = program_of(request);
  record.config = request;
  record.host_config = request.host_config;
  return record;
}

const oci::Mount* mount_at(const oci::Spec& spec, std::string_view path) {
  const auto at = std::ranges::find(spec.mounts, path, &oci::Mount::destination);
  return at == spec.mounts.end() ? nullptr : &*at;
}

bool has(const std::vector<std::string>& list, std::string_view one) {
  return std::ranges::find(list, one) != list.end();
}

TEST(BuildSpec, PlainContainer) {
  const oci::Spec spec =
      build_spec(record_of(R"({"Cmd":["echo","hi"],"Tty":true})"), {}, {.container_dir = "/root/c", .hostname = "abc"});
  EXPECT_EQ(spec.process.args, (std::vector<std::string>{"echo", "hi"}));
  EXPECT_EQ(spec.process.env, (std::vector<std::string>{"PATH=/bin", "HOSTNAME=abc", "TERM=xterm", "A=image"}));
  EXPECT_EQ(spec.process.cwd, "/");
  EXPECT_EQ(spec.hostname, "abc");
  EXPECT_EQ(spec.linux_.cgroups_path, "/berth/" + std::string(64, 'a'));
  EXPECT_EQ(spec.linux_.namespaces.size(), 5u);
  EXPECT_EQ(spec.linux_.masked_paths.size(), 12u);
  EXPECT_EQ(spec.linux_.resources->devices.front().allow, false);
  EXPECT_TRUE(has(mount_at(spec, "/dev/shm")->options, "size=67108864"));
  EXPECT_EQ(mount_at(spec, "/etc/hosts")->source, "/root/c/hosts");
  EXPECT_TRUE(has(mount_at(spec, "/sys")->options, "ro"));
  EXPECT_TRUE(spec.process.capabilities->ambient.empty());
  EXPECT_TRUE(spec.process.capabilities->inheritable.empty());
}

TEST(BuildSpec, CapabilitiesAreTweaked) {
  container::HostConfig host;
  host.cap_drop = {"all"};
  host.cap_add = {"chown", "CAP_KILL"};
  for (const std::string& name : setup::capabilities_of(host)) EXPECT_TRUE(name == "CAP_CHOWN" || name == "CAP_KILL");
  host = {};
  host.cap_drop = {"CHOWN"};
  EXPECT_FALSE(has(setup::capabilities_of(host), "CAP_CHOWN"));
}

TEST(BuildSpec, PrivilegedAndReadOnly) {
  const oci::Spec spec = build_spec(record_of(R"({"HostConfig":{"Privileged":true,"ReadonlyRootfs":true}})"), {},
                                    {.container_dir = "/c", .hostname = "h"});
  EXPECT_TRUE(spec.root.readonly);
  EXPECT_TRUE(spec.linux_.masked_paths.empty());
  EXPECT_FALSE(has(mount_at(spec, "/sys")->options, "ro"));
  EXPECT_FALSE(has(mount_at(spec, "/sys/fs/cgroup")->options, "ro"));
  EXPECT_TRUE(has(mount_at(spec, "/etc/hosts")->options, "ro"));
  EXPECT_TRUE(spec.linux_.resources->devices.front().allow);
}

TEST(BuildSpec, UsersMountsReplaceOurs) {
  const oci::Spec spec =
      build_spec(record_of(R"({"HostConfig":{"Binds":["/host/dev:/dev","/h:/etc/hosts:ro","v1:/v"]}})"), {},
                 {.container_dir = "/c", .volume_paths = {{"v1", "/vols/v1"}}, .hostname = "h"});
  EXPECT_EQ(mount_at(spec, "/dev")->source, "/host/dev");
  EXPECT_EQ(mount_at(spec, "/dev/shm"), nullptr);
  EXPECT_EQ(mount_at(spec, "/etc/hosts")->options, (std::vector<std::string>{"rbind", "rro", "rprivate"}));
  EXPECT_EQ(mount_at(spec, "/v")->source, "/vols/v1");
}

TEST(BuildSpec, NamespacesOfOthers) {
  const oci::Spec spec = build_spec(
      record_of(R"({"HostConfig":{"NetworkMode":"container:x","PidMode":"host","IpcMode":"host","UTSMode":"host",
                    "CgroupnsMode":"private"}})"),
      {}, {.container_dir = "/c", .hostname = "h", .netns_path = "/proc/7/ns/net", .own_network = false});
  std::map<std::string, std::string> found;
  for (const oci::Namespace& one : spec.linux_.namespaces) found[one.type] = one.path;
  EXPECT_EQ(found, (std::map<std::string, std::string>{{"mount", ""}, {"network", "/proc/7/ns/net"}, {"cgroup", ""}}));
  EXPECT_EQ(mount_at(spec, "/dev/shm")->source, "/dev/shm");
  EXPECT_TRUE(spec.hostname.empty());
  EXPECT_TRUE(spec.linux_.sysctl.empty());
}

TEST(BuildSpec, LimitsReachTheRuntime) {
  const oci::Spec spec = build_spec(record_of(R"({"HostConfig":{"Memory":104857600,"NanoCpus":1500000000,"PidsLimit":5,
                    "Ulimits":[{"Name":"nofile","Soft":10,"Hard":-1}],"OomScoreAdj":5}})"),
                                    {}, {.hostname = "h"});
  EXPECT_EQ(spec.linux_.resources->memory->limit, 104857600);
  EXPECT_EQ(spec.linux_.resources->memory->swap, 209715200);
  EXPECT_EQ(spec.linux_.resources->cpu->quota, 150000);
  EXPECT_EQ(spec.linux_.resources->pids->limit, 5);
  EXPECT_EQ(spec.process.rlimits[0].type, "RLIMIT_NOFILE");
  EXPECT_EQ(spec.process.rlimits[0].hard, ~std::uint64_t{0});
  EXPECT_EQ(spec.process.oom_score_adj, 5);
}

TEST(BuildSpec, DevicesAreLookedUpOnTheHost) {
  const oci::Spec spec = build_spec(
      record_of(
          R"({"HostConfig":{"Devices":[{"PathOnHost":"/dev/null","PathInContainer":"/dev/x","CgroupPermissions":"r"}],
                    "DeviceCgroupRules":["c 10:* rw"]}})"),
      {}, {.hostname = "h"});
  ASSERT_EQ(spec.linux_.devices.size(), 1u);
  EXPECT_EQ(spec.linux_.devices[0].path, "/dev/x");
  EXPECT_EQ(spec.linux_.devices[0].minor, 3);
  const oci::DeviceRule& last = spec.linux_.resources->devices.back();
  EXPECT_EQ(last.major, 10);
  EXPECT_FALSE(last.minor.has_value());
  EXPECT_EQ(
      error_of([] { build_spec(record_of(R"({"HostConfig":{"Devices":[{"PathOnHost":"/dev/nope"}]}})"), {}, {}); }),
      "error gathering device information while adding custom device \"/dev/nope\": no such file or directory");
}

TEST(SeccompProgram, OnlyForTheConfined) {
  const auto size_of = [](const std::string& json, const SetupDefaults& defaults = {}) {
    const container::Record record = record_of(json);
    return seccomp_program(record, defaults, build_spec(record, defaults, {.hostname = "h"})).size();
  };
  SetupDefaults unconfined;
  unconfined.seccomp_profile = "unconfined";
  EXPECT_EQ(size_of(R"({"HostConfig":{"SecurityOpt":["seccomp=unconfined"]}})"), 0u);
  EXPECT_EQ(size_of(R"({"HostConfig":{"Privileged":true}})"), 0u);
  EXPECT_EQ(size_of("{}", unconfined), 0u);
  EXPECT_GT(size_of(R"({"HostConfig":{"SecurityOpt":["seccomp=builtin"]}})", unconfined), 800u);
  EXPECT_EQ(check(R"({"HostConfig":{"SecurityOpt":["seccomp={"]}})").substr(0, 32), "Decoding seccomp profile failed:");
}

TEST(LogTarget, SizesFilesAndAttributes) {
  container::Record record = record_of(R"({"Labels":{"a":"1","b":"2"},"HostConfig":{"LogConfig":{"Type":"json-file",
      "Config":{"max-size":"10m","max-file":"3","labels":"a","env-regex":"^P"}}}})");
  record.log_path = "/log";
  const auto target = log_target_of(record);
  EXPECT_EQ(target.max_size_bytes, 10u << 20);
  EXPECT_EQ(target.max_files, 3u);
  EXPECT_EQ(target.attributes_json, R"({"PATH":"/bin","a":"1"})");
}

}  // namespace
}  // namespace berth::engine
