#include <gtest/gtest.h>

#include "base/core/error.h"
#include "container/detach_keys.h"
#include "container/ports.h"
#include "container/restart_policy.h"
#include "container/signals.h"

namespace berth::container {
namespace {

std::string error_of(auto call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::invalid);
    return error.text();
  }
  return "";
}

TEST(Signals, NamesNumbersAndRealtime) {
  EXPECT_EQ(parse_signal("SIGTERM"), 15);
  EXPECT_EQ(parse_signal("term"), 15);
  EXPECT_EQ(parse_signal("15"), 15);
  EXPECT_EQ(parse_signal("sigusr1"), 10);
  EXPECT_EQ(parse_signal("RTMIN"), 34);
  EXPECT_EQ(parse_signal("SIGRTMIN+3"), 37);
  EXPECT_EQ(parse_signal("RTMAX-1"), 63);
  EXPECT_EQ(parse_signal("RTMAX"), 64);
  for (const char* text : {"", "0", "FOO", "RTMIN+16", "RTMAX-15", "SIG", "1x"}) {
    EXPECT_EQ(error_of([&] { parse_signal(text); }), std::string{"invalid signal: "} + text);
  }
}

TEST(Signals, EveryNumberHasAName) {
  EXPECT_EQ(signal_name(9), "KILL");
  EXPECT_EQ(signal_name(37), "RTMIN+3");
  for (int number = 1; number <= 64; ++number) {
    if (is_signal(number)) {
      EXPECT_EQ(parse_signal(signal_name(number)), number);
    }
  }
  EXPECT_FALSE(is_signal(0));
  EXPECT_FALSE(is_signal(32));
  EXPECT_FALSE(is_signal(65));
}

TEST(Ports, NumberAndProtocol) {
  EXPECT_EQ(to_string(parse_port("80")), "80/tcp");
  EXPECT_EQ(to_string(parse_port("53/UDP")), "53/udp");
  for (const char* text : {"", "0", "80/foo", "65536", "-1", "a/tcp", "80/"}) {
    EXPECT_NE(error_of([&] { parse_port(text); }), "") << text;
  }
  EXPECT_EQ(error_of([] { parse_port("8x/tcp"); }), "invalid port specification: \"8x/tcp\"");
}

TEST(Ports, Ranges) {
  EXPECT_EQ(parse_port_range("").last, 0);
  EXPECT_EQ(parse_port_range("8080").last, 8080);
  EXPECT_EQ(parse_port_range("8000-8010").last, 8010);
  EXPECT_EQ(error_of([] { parse_port_range("9-8"); }), "invalid port specification: \"9-8\"");
  EXPECT_EQ(error_of([] { parse_port_range("x"); }), "invalid port specification: \"x\"");
}

TEST(Ports, PublishAllTakesWhatHasNoBinding) {
  Config config;
  config.exposed_ports = {{"80/tcp", {}}, {"443/tcp", {}}};
  HostConfig host;
  host.publish_all_ports = true;
  host.port_bindings = {{"80/tcp", {{.host_ip = "127.0.0.1", .host_port = "8080"}}}};
  const auto ports = published_ports(config, host);
  ASSERT_EQ(ports.size(), 2u);
  EXPECT_EQ(ports[0].host.first, 8080);
  EXPECT_EQ(ports[0].host_ip, "127.0.0.1");
  EXPECT_EQ(ports[1].port.number, 443);
  EXPECT_EQ(ports[1].host.first, 0);
}

TEST(DetachKeys, ControlAndPlainKeys) {
  EXPECT_EQ(parse_detach_keys(""), "\x10\x11");
  EXPECT_EQ(parse_detach_keys("ctrl-p,ctrl-q"), "\x10\x11");
  EXPECT_EQ(parse_detach_keys("a,ctrl-["), "a\x1b");
  EXPECT_EQ(parse_detach_keys("ctrl-@").size(), 1u);
  EXPECT_EQ(error_of([] { parse_detach_keys("ctrl-A,ab"); }), "Invalid detach keys (ctrl-A,ab) provided");
}

TEST(RestartPolicy, OnlyTheFourOfDocker) {
  check_restart_policy({});
  check_restart_policy({.name = "on-failure", .maximum_retry_count = 3});
  EXPECT_EQ(error_of([] { check_restart_policy({.name = "always", .maximum_retry_count = 1}); }),
            "invalid restart policy: maximum retry count can only be used with 'on-failure'");
  EXPECT_EQ(error_of([] { check_restart_policy({.name = "no", .maximum_retry_count = -1}); }),
            "invalid restart policy: maximum retry count can only be used with 'on-failure' and cannot be negative");
  EXPECT_EQ(error_of([] { check_restart_policy({.name = "on-failure", .maximum_retry_count = -1}); }),
            "invalid restart policy: maximum retry count cannot be negative");
  EXPECT_EQ(error_of([] { check_restart_policy({.name = "foo"}); }),
            "invalid restart policy: unknown policy 'foo'; use one of 'no', 'always', 'on-failure', or "
            "'unless-stopped'");
}

}  // namespace
}  // namespace berth::container
