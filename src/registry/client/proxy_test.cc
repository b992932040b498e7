#include "registry/client/proxy.h"

#include <gtest/gtest.h>

#include "base/core/error.h"
#include "registry/client/trust.h"

namespace berth::registry {
namespace {

bool asks_proxy(const std::string& no_proxy, const std::string& address) {
  const Proxies proxies{.http = "http://proxy:3128", .https = "proxy:3129", .no_proxy = no_proxy};
  return proxy_for(proxies, parse_url(address)).has_value();
}

TEST(Proxy, EachSchemeHasItsOwn) {
  const Proxies proxies{.http = "http://a%40b:c@proxy:3128", .https = "proxy:3129", .no_proxy = ""};
  const auto http = proxy_for(proxies, parse_url("http://registry/")),
             https = proxy_for(proxies, parse_url("https://registry/"));
  EXPECT_EQ(http->url.port, "3128");
  EXPECT_EQ(http->authorization, "Basic YUBiOmM=");
  EXPECT_EQ(https->url.text(), "http://proxy:3129/");
  EXPECT_EQ(https->authorization, "");
  EXPECT_FALSE(proxy_for({.http = "", .https = "x", .no_proxy = ""}, parse_url("http://registry/")));
}

TEST(Proxy, IsNotAskedForThisMachine) {
  for (const char* address :
       {"http://localhost:5000/", "https://127.0.0.1/", "http://127.9.9.9:1/", "https://[::1]:5000/"}) {
    EXPECT_FALSE(asks_proxy("", address)) << address;
  }
}

TEST(Proxy, NoProxyMeansHostsDomainsAddressesNetworksAndPorts) {
  EXPECT_FALSE(asks_proxy("example.com", "https://example.com/"));
  EXPECT_FALSE(asks_proxy("example.com", "https://a.Example.com/"));
  EXPECT_TRUE(asks_proxy("example.com", "https://notexample.com/"));
  EXPECT_TRUE(asks_proxy(".example.com", "https://example.com/"));
  EXPECT_FALSE(asks_proxy(" x, .example.com", "https://a.example.com/"));
  EXPECT_FALSE(asks_proxy("*.example.com", "https://a.example.com/"));
  EXPECT_FALSE(asks_proxy("example.com:5000", "https://example.com:5000/"));
  EXPECT_TRUE(asks_proxy("example.com:5000", "https://example.com/"));
  EXPECT_FALSE(asks_proxy("10.0.0.0/8", "http://10.1.2.3/"));
  EXPECT_TRUE(asks_proxy("10.0.0.0/8", "http://11.1.2.3/"));
  EXPECT_FALSE(asks_proxy("192.0.2.7", "http://192.0.2.7:5000/"));
  EXPECT_FALSE(asks_proxy("*", "https://anything/"));
  EXPECT_TRUE(asks_proxy(",, ", "https://anything/"));
}

TEST(Mirror, IsOneOfDockerHubOrOfANamedRegistry) {
  EXPECT_EQ(parse_mirror("https://m/").address, "https://m");
  EXPECT_EQ(parse_mirror("https://m/").upstream, "docker.io");
  EXPECT_EQ(parse_mirror("quay.io:443=http://m:5000").upstream, "quay.io:443");
  EXPECT_EQ(parse_mirror("quay.io:443=http://m:5000").address, "http://m:5000");
  for (const char* text :
       {"m", "ftp://m", "https://m/path", "https://m?x=1", "https://a:b@m", "https://a b", "=http://"}) {
    EXPECT_THROW(parse_mirror(text), Error) << text;
  }
}

}  // namespace
}  // namespace berth::registry
