#include "daemon/settings.h"

#include <gtest/gtest.h>

#include "base/core/error.h"

namespace berth::daemon {
namespace {

std::string error_of(auto&& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.text();
  }
  return "";
}

TEST(CommandLine, TakesEveryFormOfAFlag) {
  const Settings settings = parse_command_line({"--data-root=/d", "--exec-root", "/e", "-Hunix:///a", "-H", "tcp://b:1",
                                                "-D", "--icc=false", "--log-opt", "max-size=10m", "-p=/pid"})
                                .settings;
  EXPECT_EQ(settings.text("data-root"), "/d");
  EXPECT_EQ(settings.text("exec-root"), "/e");
  EXPECT_EQ(settings.list("hosts"), (std::vector<std::string>{"unix:///a", "tcp://b:1"}));
  EXPECT_TRUE(settings.boolean("debug", false));
  EXPECT_FALSE(settings.boolean("icc", true));
  EXPECT_EQ(settings.map("log-opts").at("max-size"), "10m");
  EXPECT_EQ(settings.text("pidfile"), "/pid");
}

TEST(CommandLine, RefusesAsPflagDoes) {
  EXPECT_EQ(error_of([] { parse_command_line({"--nope"}); }), "unknown flag: --nope");
  EXPECT_EQ(error_of([] { parse_command_line({"-Dx"}); }), "unknown shorthand flag: 'x' in -Dx");
  EXPECT_EQ(error_of([] { parse_command_line({"--mtu"}); }), "flag needs an argument: --mtu");
  EXPECT_EQ(error_of([] { parse_command_line({"--mtu", "x"}); }),
            "invalid argument \"x\" for \"--mtu\" flag: strconv.ParseInt: parsing \"x\": invalid syntax");
}

TEST(ConfigFile, ReadsTypesAndNamesUnknownKeys) {
  const Settings settings = parse_config_file(
      R"({"debug":true,"mtu":1400,"hosts":["unix:///x"],"log-opts":{"max-file":"3"},
          "default-ulimits":{"nofile":{"Name":"nofile","Hard":10,"Soft":5}}})");
  EXPECT_TRUE(settings.boolean("debug", false));
  EXPECT_EQ(settings.number("mtu", 0), 1400);
  EXPECT_EQ(settings.list("default-ulimits"), (std::vector<std::string>{"nofile=5:10"}));
  EXPECT_EQ(error_of([] { parse_config_file(R"({"debgu":true})"); }),
            "the following directives don't match any configuration option: debgu");
  EXPECT_NE(error_of([] { parse_config_file(R"({"debug":"yes"})"); }), "");
  EXPECT_NE(error_of([] { parse_config_file("{"); }), "");
}

TEST(ConfigFile, EmptyValuesSayNothing) {
  const Settings settings = parse_config_file(R"({"data-root":"","mtu":0,"dns":[],"icc":false,"bip":null})");
  EXPECT_EQ(settings.text("data-root", "/var/lib/x"), "/var/lib/x");
  EXPECT_EQ(settings.number("mtu", 1500), 1500);
  EXPECT_FALSE(settings.boolean("icc", true));
  EXPECT_FALSE(settings.has("bip"));
}

TEST(Merge, AKeyInBothIsAConflict) {
  const Settings flags = parse_command_line({"--debug", "--mtu=1"}).settings;
  EXPECT_EQ(error_of([&] { merge(flags, parse_config_file(R"({"debug":false})")); }),
            "the following directives are specified both as a flag and in the configuration file: "
            "debug: (from flag: true, from file: false)");
  EXPECT_EQ(merge(flags, parse_config_file(R"({"icc":false})")).boolean("icc", true), false);
}

TEST(WithoutEffect, NamesWhatDoesNothing) {
  const Settings settings = parse_command_line({"--selinux-enabled", "--userland-proxy=false", "--mtu=1"}).settings;
  EXPECT_EQ(without_effect(settings), (std::vector<std::string>{"--selinux-enabled has no effect yet"}));
}

}  // namespace
}  // namespace berth::daemon
