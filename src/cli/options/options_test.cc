#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>

#include "base/core/error.h"
#include "base/json/json.h"
#include "cli/options/container_flags.h"
#include "cli/options/filters.h"
#include "cli/options/mounts.h"
#include "cli/options/networks.h"
#include "cli/options/ports.h"
#include "cli/options/resources.h"
#include "cli/options/timestamps.h"

namespace berth::cli {
namespace {

template <class Call>
std::string error_of(Call call) {
  try {
    call();
  } catch (const Error& error) {
    return error.text();
  }
  return "";
}

Ports published(const std::string& spec) {
  Ports ports;
  add_published(ports, spec);
  return ports;
}

TEST(Publish, HostAndContainerPort) {
  EXPECT_EQ(published("8080:80").bindings.at("80/tcp"), (std::vector<HostPort>{{"", "8080"}}));
  EXPECT_EQ(published("127.0.0.1::80/udp").bindings.at("80/udp"), (std::vector<HostPort>{{"127.0.0.1", ""}}));
  EXPECT_EQ(published("[::1]:1:2").bindings.at("2/tcp"), (std::vector<HostPort>{{"::1", "1"}}));
}

TEST(Publish, RangesGoTogether) {
  const Ports ports = published("8000-8001:80-81");
  EXPECT_EQ(ports.bindings.at("81/tcp"), (std::vector<HostPort>{{"", "8001"}}));
  EXPECT_EQ(published("8000-8010:80").bindings.at("80/tcp"), (std::vector<HostPort>{{"", "8000-8010"}}));
}

TEST(Publish, LongForm) {
  EXPECT_EQ(published("target=80,published=8080,protocol=udp").bindings.at("80/udp"),
            (std::vector<HostPort>{{"", "8080"}}));
}

TEST(Publish, MistakesHaveDockersWords) {
  EXPECT_EQ(error_of([] { published("x"); }), "invalid containerPort: x");
  EXPECT_EQ(error_of([] { published("x:80"); }), "invalid hostPort: x");
  EXPECT_EQ(error_of([] { published("1.2.3:1:80"); }), "invalid IP address: 1.2.3");
  EXPECT_EQ(error_of([] { published("1-3:80-81"); }),
            "invalid ranges specified for container and host Ports: 80-81 and 1-3");
  EXPECT_EQ(error_of([] { published("80/foo"); }), "invalid proto: foo");
  EXPECT_EQ(error_of([] { published("70000"); }), "invalid containerPort: 70000");
}

std::string mount(const std::string& spec) { return boost::json::serialize(parse_mount(spec)); }

TEST(Mount, BindWithOptions) {
  EXPECT_EQ(mount("type=bind,src=/a,dst=/b,readonly,bind-propagation=rshared"),
            R"({"Type":"bind","Source":"/a","Target":"/b","ReadOnly":true,"BindOptions":{"Propagation":"rshared"}})");
  EXPECT_EQ(mount("type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=1770"),
            R"({"Type":"tmpfs","Target":"/t","TmpfsOptions":{"SizeBytes":1048576,"Mode":1016}})");
}

TEST(Mount, MistakesHaveDockersWords) {
  EXPECT_EQ(error_of([] { parse_mount("type=bind"); }), "target is required");
  EXPECT_EQ(error_of([] { parse_mount("nope"); }), "invalid field 'nope' must be a key=value pair");
  EXPECT_EQ(error_of([] { parse_mount("a=b"); }), "unexpected key 'a' in 'a=b'");
  EXPECT_EQ(error_of([] { parse_mount("type=bind,target=/x,volume-nocopy"); }),
            "cannot mix 'volume-*' options with mount type 'bind'");
}

TEST(Volume, WithoutSourceIsAnonymous) {
  Volumes volumes;
  add_volume(volumes, "/data");
  add_volume(volumes, "name:/x:ro");
  EXPECT_EQ(volumes.anonymous, (std::vector<std::string>{"/data"}));
  EXPECT_EQ(volumes.binds, (std::vector<std::string>{"name:/x:ro"}));
  add_volume(volumes, "./here:/x");
  EXPECT_EQ(volumes.binds.back().front(), '/');
}

TEST(Ulimit, SoftAndHard) {
  EXPECT_EQ(boost::json::serialize(parse_ulimit("nofile=1:2")), R"({"Name":"nofile","Hard":2,"Soft":1})");
  EXPECT_EQ(boost::json::serialize(parse_ulimit("core=-1")), R"({"Name":"core","Hard":-1,"Soft":-1})");
  EXPECT_EQ(error_of([] { parse_ulimit("foo=1"); }), "invalid ulimit type: foo");
  EXPECT_EQ(error_of([] { parse_ulimit("nofile=5:1"); }),
            "ulimit soft limit must be less than or equal to hard limit: 5 > 1");
}

TEST(Device, ModeOrPathInTheMiddle) {
  EXPECT_EQ(parse_device("/dev/a:r").at("CgroupPermissions").as_string(), "r");
  EXPECT_EQ(parse_device("/dev/a:/dev/b").at("PathInContainer").as_string(), "/dev/b");
  EXPECT_TRUE(is_cdi_device("vendor.com/gpu=0"));
  EXPECT_EQ(error_of([] { parse_device("a:b:zz"); }), "bad mode specified: zz");
}

TEST(RestartPolicy, CountBehindColon) {
  EXPECT_EQ(parse_restart_policy("on-failure:3").at("MaximumRetryCount").as_int64(), 3);
  EXPECT_EQ(error_of([] { parse_restart_policy("on-failure:x"); }),
            "invalid restart policy format: maximum retry count must be an integer");
}

TEST(Filters, BecomeSetsByName) {
  EXPECT_EQ(filters_json({"status=exited", "label=a=b", "status=dead"}),
            R"({"label":{"a=b":true},"status":{"dead":true,"exited":true}})");
}

TEST(Timestamps, DurationsGoBackFromNow) {
  const Time now{std::chrono::seconds{1000}};
  EXPECT_EQ(to_timestamp("1m", now), "940.000000000");
  EXPECT_EQ(to_timestamp("1136073600.000000001", now), "1136073600.000000001");
  EXPECT_EQ(to_timestamp("2013-01-02T00:00:01Z", now), "1357084801.000000000");
  EXPECT_THROW(to_timestamp("soon", now), Error);
}

TEST(Network, AdvancedFormMakesAnEndpoint) {
  const NetworkRequest request = make_network_request({.networks = {"name=n1,alias=web,ip=10.0.0.2", "n2"}});
  EXPECT_EQ(request.mode, "n1");
  EXPECT_EQ(boost::json::serialize(request.endpoints),
            R"({"n1":{"Aliases":["web"],"IPAMConfig":{"IPv4Address":"10.0.0.2"}},"n2":{}})");
  EXPECT_TRUE(make_network_request({.networks = {"none"}}).endpoints.empty());
}

std::string body_of(std::vector<std::string> words) {
  ContainerFlags values;
  FlagSet flags;
  declare_container_flags(flags, values);
  const std::vector<std::string> arguments = flags.parse(words, AfterPositional::stop);
  return boost::json::serialize(make_create_request(values, flags, arguments).body);
}

TEST(CreateRequest, OnlyWhatWasGivenIsSent) {
  EXPECT_EQ(body_of({"busybox", "ls", "-l"}),
            R"({"Image":"busybox","AttachStdin":false,"AttachStdout":true,"AttachStderr":true,"Tty":false,)"
            R"("OpenStdin":false,"StdinOnce":false,"Cmd":["ls","-l"],"HostConfig":{"NetworkMode":"default"}})");
}

TEST(CreateRequest, ConflictsAreRefused) {
  EXPECT_EQ(error_of([] { body_of({"--rm", "--restart", "always", "x"}); }),
            "conflicting options: cannot specify both --restart and --rm");
  EXPECT_EQ(error_of([] { body_of({"--no-healthcheck", "--health-cmd", "x", "x"}); }),
            "--no-healthcheck conflicts with --health-* options");
  EXPECT_EQ(error_of([] { body_of({"--pid", "bogus", "x"}); }), "--pid: invalid PID mode");
}

TEST(CreateRequest, HealthChecks) {
  const std::string body = body_of({"--health-cmd", "test -f /ok", "--health-interval", "1s", "--health-retries", "2",
                                    "--health-start-period", "1m", "--health-on-failure", "restart", "x"});
  EXPECT_NE(body.find(R"("Healthcheck":{"Test":["CMD-SHELL","test -f /ok"],"Interval":1000000000,)"
                      R"("StartPeriod":60000000000,"Retries":2})"),
            std::string::npos)
      << body;
  EXPECT_NE(body.find(R"("HealthcheckOnFailureAction":"restart")"), std::string::npos) << body;
  EXPECT_NE(body_of({"--no-healthcheck", "x"}).find(R"("Healthcheck":{"Test":["NONE"]})"), std::string::npos);
  EXPECT_EQ(error_of([] { body_of({"--health-interval", "-1s", "x"}); }), "--health-interval cannot be negative");
}

TEST(CreateRequest, EmptyEntrypointIsSent) {
  EXPECT_NE(body_of({"--entrypoint", "", "x"}).find(R"("Entrypoint":[""])"), std::string::npos);
}

}  // namespace
}  // namespace berth::cli
