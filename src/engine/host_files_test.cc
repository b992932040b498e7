#include "engine/host_files.h"

#include <gtest/gtest.h>

namespace berth::engine {
namespace {

TEST(MakeHosts, NamesTheContainerWithAndWithoutItsDomain) {
  const std::string hosts = make_hosts({.hostname = "web", .domainname = "example.org", .addresses = {"172.17.0.2"}});
  EXPECT_TRUE(hosts.starts_with("127.0.0.1\tlocalhost\n"));
  EXPECT_TRUE(hosts.ends_with("172.17.0.2\tweb.example.org web\n"));
}

TEST(MakeHosts, PutsExtraHostsBeforeItsOwnNameAndKnowsTheGateway) {
  const std::string hosts = make_hosts({.hostname = "web",
                                        .addresses = {"172.17.0.2"},
                                        .extra_hosts = {"db:10.0.0.5", "six=[2001:db8::1]", "me:host-gateway"},
                                        .host_gateway = "172.17.0.1"});
  EXPECT_TRUE(hosts.ends_with("10.0.0.5\tdb\n2001:db8::1\tsix\n172.17.0.1\tme\n172.17.0.2\tweb\n")) << hosts;
}

TEST(MakeResolvConf, LeavesOutNameserversThatOnlyTheHostReaches) {
  const std::string text = make_resolv_conf("nameserver 127.0.0.53\nnameserver 10.1.1.1\nsearch a b\n", {}, true);
  EXPECT_NE(text.find("\nnameserver 10.1.1.1\nsearch a b\n"), std::string::npos);
  EXPECT_EQ(text.find("127.0.0.53"), std::string::npos);
  EXPECT_NE(make_resolv_conf("nameserver 127.0.0.53\n", {}, false).find("nameserver 127.0.0.53"), std::string::npos);
}

TEST(MakeResolvConf, FallsBackToPublicNameserversOnlyWhenNoneIsLeft) {
  EXPECT_NE(make_resolv_conf("nameserver ::1\n", {}, true).find("nameserver 8.8.8.8\n"), std::string::npos);
  EXPECT_EQ(make_resolv_conf("", {.nameservers = {"9.9.9.9"}}, true).find("8.8.8.8"), std::string::npos);
}

TEST(MakeResolvConf, TakesWhatTheUserAskedFor) {
  const std::string text = make_resolv_conf("nameserver 10.1.1.1\nsearch host\noptions ndots:1\n",
                                            {.nameservers = {"1.1.1.1"}, .search = {"."}, .options = {"rotate"}}, true);
  EXPECT_TRUE(text.ends_with("nameserver 1.1.1.1\noptions rotate\n")) << text;
}

}  // namespace
}  // namespace berth::engine
