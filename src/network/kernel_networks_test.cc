// The room against the real kernel, in network namespaces of its own. Needs root; skipped otherwise.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <functional>
#include <iostream>
#include <set>
#include <thread>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"
#include "network/ipam/ipv4.h"
#include "network/netlink/namespace.h"
#include "network/netlink/route.h"
#include "network/network.h"

namespace berth::network {
namespace {

using std::chrono::steady_clock;

/// Runs `work` on a thread of its own inside the namespace.
void in_namespace(sys::FdRef netns, const std::function<void()>& work) {
  std::jthread{[&] {
    ASSERT_EQ(::setns(netns.get(), CLONE_NEWNET), 0);
    work();
  }};
}

sockaddr_in name_of(const std::string& address, std::uint16_t port) {
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(port);
  name.sin_addr.s_addr = htonl(Ipv4::parse(address).value().value);
  return name;
}

constexpr timeval kInVain{.tv_sec = 0, .tv_usec = 700'000};  ///< for who expects no answer
constexpr timeval kPatience{.tv_sec = 20, .tv_usec = 0};     ///< for who does, on a machine that is busy

sys::UniqueFd make_socket(int type, timeval limit = kInVain) {
  sys::UniqueFd socket{::socket(AF_INET, type | SOCK_CLOEXEC, 0)};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  return socket;
}

std::string text_of(const sockaddr_in& name) { return Ipv4{ntohl(name.sin_addr.s_addr)}.text(); }

/// Answers every connection or datagram with "NAME sees ADDRESS OF THE CLIENT".
class Server {
 public:
  Server(sys::FdRef netns, std::string name, int type, std::uint16_t port) : type_(type) {
    in_namespace(netns, [&] {
      socket_ = make_socket(type);
      const sockaddr_in any = name_of("0.0.0.0", port);
      ASSERT_EQ(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&any), sizeof any), 0);
      if (type == SOCK_STREAM) ASSERT_EQ(::listen(socket_.get(), 16), 0);
    });
    thread_ = std::jthread{[this, name](const std::stop_token& stop) {
      while (!stop.stop_requested()) answer(name);
    }};
  }

 private:
  void answer(const std::string& name) {
    sockaddr_in peer{};
    socklen_t size = sizeof peer;
    auto* const peer_name = reinterpret_cast<sockaddr*>(&peer);
    if (type_ == SOCK_STREAM) {
      const sys::UniqueFd client{::accept(socket_.get(), peer_name, &size)};
      if (client) send(client.get(), name, peer, size);
    } else {
      char byte;
      if (::recvfrom(socket_.get(), &byte, 1, 0, peer_name, &size) >= 0) send(socket_.get(), name, peer, size);
    }
  }
  void send(int fd, const std::string& name, const sockaddr_in& peer, socklen_t size) {
    const std::string text = cat(name, " sees ", text_of(peer));
    const bool stream = type_ == SOCK_STREAM;
    ::sendto(fd, text.data(), text.size(), MSG_NOSIGNAL, stream ? nullptr : reinterpret_cast<const sockaddr*>(&peer),
             stream ? 0 : size);
  }

  int type_;
  sys::UniqueFd socket_;
  std::jthread thread_;
};

/// What the server says, or the error. `source` port 0: any.
std::string ask(sys::FdRef netns, int type, const std::string& address, std::uint16_t port, std::uint16_t source = 0,
                timeval limit = kPatience) {
  std::string answer;
  in_namespace(netns, [&] {
    const sys::UniqueFd socket = make_socket(type, limit);
    const sockaddr_in from = name_of("0.0.0.0", source), to = name_of(address, port);
    if (source != 0) ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&from), sizeof from);
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
      answer = errno == EINPROGRESS || errno == EAGAIN ? "timed out" : std::strerror(errno);
      return;
    }
    char buffer[256];
    if (type == SOCK_DGRAM && ::send(socket.get(), "?", 1, 0) < 0) answer = std::strerror(errno);
    const ssize_t size = ::recv(socket.get(), buffer, sizeof buffer, 0);
    answer = size >= 0 ? std::string(buffer, static_cast<std::size_t>(size))
                       : (errno == EAGAIN ? "timed out" : std::strerror(errno));
  });
  return answer;
}

// popen and not sys::run_command: its clone() without exec of the page tables confuses ThreadSanitizer.
std::string run(const std::string& command) {
  FILE* const pipe = ::popen(cat("{ ", command, "; } 2>&1").c_str(), "re");
  std::string output;
  char buffer[512];
  while (const std::size_t size = std::fread(buffer, 1, sizeof buffer, pipe)) output.append(buffer, size);
  ::pclose(pipe);
  return output;
}

void wait_for_link(const std::string& name) {
  for (int i = 0; i < 60 && run(cat("ip link show ", name)).find("state UP") == std::string::npos; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds{50});
  }
}

/// This thread's namespace is a host with the address 10.9.0.1; `remote_` is another one with 10.9.0.2 that routes to
/// the containers' subnets through it (which an attacker on the same wire would do).
class KernelNetworksTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    outside_ = netlink::open_own_namespace();
    if (::unshare(CLONE_NEWNET) != 0) GTEST_SKIP() << "cannot make network namespaces";
    host_ = netlink::open_own_namespace();
    netlink::NewNamespace made = netlink::make_namespace(host_);
    remote_ = std::move(made.netns);
    // With the same index at both ends the kernel takes up to a second to switch the wire on (linkwatch_urgent_event).
    in_namespace(remote_, [] { run("ip link add other0 type dummy"); });
    netlink::Socket route{NETLINK_ROUTE};
    netlink::Batch batch;
    netlink::bring_loopback_up(batch);
    netlink::add_veth(batch, {.host_name = "wire0",
                              .peer_name = "wire1",
                              .peer_mac = {"\x02\x02\x02\x02\x02\x02", 6},
                              .netns_fd = remote_.get(),
                              .bridge_index = 0});
    netlink::set_link(batch, {.name = "wire0", .up = true});
    route.exchange(batch, "test wire");
    netlink::Batch here;
    netlink::add_address(here, netlink::find_link(route, "wire0")->index, *Cidr::parse("10.9.0.1/24"));
    route.exchange(here, "test wire");
    netlink::Batch there;
    const int index = netlink::find_link(made.route, "wire1")->index;
    netlink::bring_loopback_up(there);
    netlink::set_link(there, {.name = {}, .index = index, .up = true});
    netlink::add_address(there, index, *Cidr::parse("10.9.0.2/24"));
    netlink::add_default_route(there, index, *Ipv4::parse("10.9.0.1"));
    made.route.exchange(there, "test wire");
    wait_for_link("wire0");
    in_namespace(remote_, [] { wait_for_link("wire1"); });
    config_.bridge = "berth0";
    config_.instance = "test";
    config_.state_dir = cat(folder_.path(), "/network");
    const auto start = steady_clock::now();
    networks_ = open_networks(config_, {}, log_);
    networks_->reconcile({});
    opening_ = std::chrono::duration<double, std::milli>(steady_clock::now() - start).count();
  }
  void TearDown() override {
    networks_.reset();
    if (outside_) ::setns(outside_.get(), CLONE_NEWNET);
  }

  Sandbox attach(std::vector<PortRequest> ports = {}, const std::string& network = "bridge") {
    return networks_->attach(
        {.container_id = cat("c", ++count_), .network = network, .ports = std::move(ports), .container_name = "web"});
  }
  void restart(const std::vector<Endpoint>& alive, std::vector<NetworkRecord> known = {}) {
    networks_.reset();
    networks_ = open_networks(config_, std::move(known), log_);
    networks_->reconcile(alive);
  }
  std::string error_of(const std::function<void()>& work) {
    try {
      work();
    } catch (const Error& error) {
      return error.text();
    }
    return "no error";
  }
  std::size_t count_veths() {
    netlink::Socket route{NETLINK_ROUTE};
    std::size_t count = 0;
    for (const netlink::Link& link : netlink::list_links(route)) count += link.name.starts_with("bv") ? 1 : 0;
    return count;
  }

  Logger log_{LogLevel::warn};
  sys::TemporaryDir folder_{"/tmp"};
  sys::UniqueFd outside_, host_, remote_;
  Config config_;
  std::unique_ptr<Networks> networks_;
  int count_ = 0;
  double opening_ = 0;
};

const PortRequest kWeb{.container_port = 80, .protocol = "tcp", .host_ip = {}, .host_first = 8080, .host_last = 8080};

TEST_F(KernelNetworksTest, APublishedPortIsReachedFromEverywhere) {
  for (const char* bridge_nf : {"1", "0"}) {
    SCOPED_TRACE(bridge_nf);
    if (sys::exists("/proc/sys/net/bridge")) sys::write_file("/proc/sys/net/bridge/bridge-nf-call-iptables", bridge_nf);
    const Sandbox web = attach({kWeb});
    const Sandbox other = attach();
    const std::string address = web.endpoint->ipv4_address;
    const Server server{web.netns, "web", SOCK_STREAM, 80};
    const std::string gateway = networks_->default_gateway();

    EXPECT_EQ(ask(remote_, SOCK_STREAM, "10.9.0.1", 8080), "web sees 10.9.0.2");
    EXPECT_EQ(ask(host_, SOCK_STREAM, "127.0.0.1", 8080), cat("web sees ", gateway));
    EXPECT_EQ(ask(host_, SOCK_STREAM, "10.9.0.1", 8080), "web sees 10.9.0.1");
    EXPECT_EQ(ask(host_, SOCK_STREAM, address, 80), cat("web sees ", gateway));
    EXPECT_EQ(ask(other.netns, SOCK_STREAM, address, 80), cat("web sees ", other.endpoint->ipv4_address));
    EXPECT_EQ(ask(other.netns, SOCK_STREAM, "10.9.0.1", 8080), cat("web sees ", gateway));
    EXPECT_EQ(ask(other.netns, SOCK_STREAM, gateway, 8080), cat("web sees ", gateway));
    EXPECT_EQ(ask(web.netns, SOCK_STREAM, "10.9.0.1", 8080), cat("web sees ", gateway));
    EXPECT_EQ(ask(remote_, SOCK_STREAM, address, 80, 0, kInVain), "timed out") << "unpublished address from outside";

    networks_->detach(*web.endpoint);
    networks_->detach(*other.endpoint);
    EXPECT_EQ(ask(remote_, SOCK_STREAM, "10.9.0.1", 8080), "Connection refused");
  }
}

TEST_F(KernelNetworksTest, ContainersReachTheWorldUnderTheHostsAddress) {
  const Sandbox box = attach();
  const Server server{remote_, "world", SOCK_STREAM, 7};
  const Server udp{remote_, "world", SOCK_DGRAM, 7};
  EXPECT_EQ(ask(box.netns, SOCK_STREAM, "10.9.0.2", 7), "world sees 10.9.0.1");
  EXPECT_EQ(ask(box.netns, SOCK_DGRAM, "10.9.0.2", 7), "world sees 10.9.0.1");
}

TEST_F(KernelNetworksTest, UdpFlowsFollowTheContainer) {
  const PortRequest dns{.container_port = 53, .protocol = "udp", .host_ip = {}, .host_first = 5353, .host_last = 5353};
  Sandbox first = attach({dns});
  {
    const Server server{first.netns, "first", SOCK_DGRAM, 53};
    EXPECT_EQ(ask(remote_, SOCK_DGRAM, "10.9.0.1", 5353, 4000), "first sees 10.9.0.2");
    EXPECT_EQ(ask(host_, SOCK_DGRAM, "127.0.0.1", 5353), cat("first sees ", networks_->default_gateway()));
  }
  networks_->detach(*first.endpoint);
  first.netns.reset();
  const Sandbox second = attach({dns});
  const Server server{second.netns, "second", SOCK_DGRAM, 53};
  EXPECT_EQ(ask(remote_, SOCK_DGRAM, "10.9.0.1", 5353, 4000), "second sees 10.9.0.2") << "same source port: same flow";
}

TEST_F(KernelNetworksTest, APortOnLoopbackIsForThisHostAlone) {
  const Sandbox web = attach(
      {{.container_port = 80, .protocol = "tcp", .host_ip = "127.0.0.1", .host_first = 8080, .host_last = 8080}});
  const Server server{web.netns, "web", SOCK_STREAM, 80};
  EXPECT_EQ(ask(host_, SOCK_STREAM, "127.0.0.1", 8080), cat("web sees ", networks_->default_gateway()));
  EXPECT_EQ(ask(remote_, SOCK_STREAM, "10.9.0.1", 8080), "Connection refused");
}

TEST_F(KernelNetworksTest, ContainersDoNotReachTheHostsLoopback) {
  const Sandbox box = attach();
  const Server local{host_, "host", SOCK_STREAM, 631};
  in_namespace(box.netns, [&] {
    run(cat("ip addr del 127.0.0.1/8 dev lo; sysctl -q net.ipv4.conf.all.route_localnet=1; ip route add 127.0.0.1 via ",
            networks_->default_gateway(), " dev eth0"));
  });
  EXPECT_EQ(ask(box.netns, SOCK_STREAM, "127.0.0.1", 631, 0, kInVain), "timed out");
}

TEST_F(KernelNetworksTest, ATakenPortIsRefusedInDockersWords) {
  const Sandbox web = attach({kWeb});
  const std::string taken = error_of([&] { attach({kWeb}); });
  EXPECT_TRUE(taken.starts_with("driver failed programming external connectivity on endpoint web (")) << taken;
  EXPECT_TRUE(taken.ends_with("): Bind for 0.0.0.0:8080 failed: port is already allocated")) << taken;
  const Server program{host_, "host", SOCK_STREAM, 8090};
  const std::string used = error_of([&] {
    attach({{.container_port = 80, .protocol = "tcp", .host_ip = {}, .host_first = 8090, .host_last = 8090}});
  });
  EXPECT_NE(used.find("failed to bind host port for 0.0.0.0:8090:"), std::string::npos) << used;
  EXPECT_TRUE(used.ends_with("address already in use")) << used;
  const Sandbox ranged =
      attach({{.container_port = 80, .protocol = "tcp", .host_ip = {}, .host_first = 8090, .host_last = 8092}});
  EXPECT_EQ(ranged.endpoint->ports[0].host_port, 8091);
  const Sandbox random = attach({{.container_port = 80, .protocol = "tcp", .host_ip = {}}});
  EXPECT_GE(random.endpoint->ports[0].host_port, 32768);
}

TEST_F(KernelNetworksTest, ARestartKeepsWhatIsAliveAndRemovesTheRest) {
  const Sandbox web = attach({kWeb});
  const Sandbox lost =
      attach({{.container_port = 80, .protocol = "tcp", .host_ip = {}, .host_first = 8081, .host_last = 8081}});
  const Server server{web.netns, "web", SOCK_STREAM, 80};
  const Server forgotten{lost.netns, "lost", SOCK_STREAM, 80};
  const std::string gateway = networks_->default_gateway();
  networks_.reset();  // as kill -9 leaves it: everything in the kernel stays
  EXPECT_EQ(ask(remote_, SOCK_STREAM, "10.9.0.1", 8080), "web sees 10.9.0.2");
  EXPECT_EQ(count_veths(), 2);

  restart({*web.endpoint});
  EXPECT_EQ(networks_->default_gateway(), gateway);
  EXPECT_EQ(ask(remote_, SOCK_STREAM, "10.9.0.1", 8080), "web sees 10.9.0.2");
  EXPECT_EQ(ask(remote_, SOCK_STREAM, "10.9.0.1", 8081), "Connection refused");
  EXPECT_EQ(count_veths(), 1);
  EXPECT_NE(error_of([&] { attach({kWeb}); }).find("port is already allocated"), std::string::npos);
  const Sandbox next = attach();
  EXPECT_NE(next.endpoint->ipv4_address, web.endpoint->ipv4_address);

  run("nft flush ruleset");  // somebody's firewall reload
  const Sandbox more =
      attach({{.container_port = 80, .protocol = "tcp", .host_ip = {}, .host_first = 8082, .host_last = 8082}});
  EXPECT_EQ(ask(remote_, SOCK_STREAM, "10.9.0.1", 8080), "web sees 10.9.0.2") << "rebuilt whole";
  run("ip link del berth0");
  restart({*web.endpoint, *next.endpoint, *more.endpoint});
  EXPECT_EQ(ask(remote_, SOCK_STREAM, "10.9.0.1", 8080), "web sees 10.9.0.2") << "back on the new bridge";
  networks_->tear_down();
  EXPECT_EQ(run("nft list tables; ip -o link show type bridge; ip -o link show type veth | grep -v wire"), "");
}

TEST_F(KernelNetworksTest, NetworksAreApartFromEachOther) {
  const NetworkRecord one = networks_->create({.name = "one", .subnet = "10.77.0.0/24"});
  EXPECT_EQ(one.gateway, "10.77.0.1");
  EXPECT_EQ(error_of([&] { networks_->create({.name = "two", .subnet = "10.77.0.128/25"}); }),
            "invalid pool request: Pool overlaps with other one on this address space");
  const NetworkRecord inner = networks_->create({.name = "inner", .internal = true});
  const NetworkRecord apart =
      networks_->create({.name = "apart", .options = {{"com.docker.network.bridge.enable_icc", "false"}}});
  const Sandbox a = attach({kWeb}, "one"), b = attach({}, "one"), c = attach(), d = attach({}, "inner"),
                e = attach({}, "inner");
  const Sandbox f = attach({}, "apart"), g = attach({}, "apart");
  const Server server_a{a.netns, "a", SOCK_STREAM, 80}, server_d{d.netns, "d", SOCK_STREAM, 80};
  const Server server_f{f.netns, "f", SOCK_STREAM, 80}, world{remote_, "world", SOCK_STREAM, 7};
  EXPECT_EQ(ask(b.netns, SOCK_STREAM, a.endpoint->ipv4_address, 80), "a sees 10.77.0.3");
  EXPECT_EQ(ask(c.netns, SOCK_STREAM, a.endpoint->ipv4_address, 80, 0, kInVain), "timed out");
  EXPECT_EQ(ask(c.netns, SOCK_STREAM, "10.9.0.1", 8080), "a sees 10.77.0.1");
  EXPECT_EQ(ask(e.netns, SOCK_STREAM, d.endpoint->ipv4_address, 80), cat("d sees ", e.endpoint->ipv4_address));
  EXPECT_EQ(ask(e.netns, SOCK_STREAM, "10.9.0.2", 7), "Network is unreachable");
  EXPECT_NE(ask(g.netns, SOCK_STREAM, f.endpoint->ipv4_address, 80).substr(0, 6), "f sees");
  EXPECT_EQ(ask(g.netns, SOCK_STREAM, "10.9.0.2", 7), "world sees 10.9.0.1");
  EXPECT_NE(error_of([&] { networks_->remove(one.id); }).find("has active endpoints"), std::string::npos);
  EXPECT_EQ(error_of([&] { networks_->remove(networks_->list()[0].id); }),
            "bridge is a pre-defined network and cannot be removed");

  restart({*a.endpoint}, {one, inner});  // "apart" was never stored
  EXPECT_EQ(ask(b.netns, SOCK_STREAM, "10.9.0.1", 8080), "Network is unreachable") << "b is dead, its link is gone";
  EXPECT_EQ(ask(remote_, SOCK_STREAM, "10.9.0.1", 8080), "a sees 10.9.0.2");
  EXPECT_EQ(run("ip -o link show type bridge | wc -l"), "3\n");
  networks_->detach(*a.endpoint);
  networks_->remove(one.id);
  EXPECT_FALSE(networks_->find("one").has_value());
}

TEST_F(KernelNetworksTest, ABridgeHasOneDaemon) {
  Config other = config_;
  other.instance = "other";
  other.state_dir = cat(folder_.path(), "/other");
  EXPECT_EQ(error_of([&] { open_networks(other, {}, log_); }),
            "another daemon uses the bridge berth0; give this one its own with --bridge");
  other.bridge = "berth1";
  const auto second = open_networks(other, {}, log_);
  EXPECT_NE(second->default_gateway(), networks_->default_gateway());
  run("ip link add old type bridge; ip addr add 10.5.0.1/24 dev old");
  EXPECT_NE(error_of([&] {
              networks_->create(
                  {.name = "x", .subnet = "10.6.0.0/24", .options = {{"com.docker.network.bridge.name", "old"}}});
            }).find("is not Berth's to change"),
            std::string::npos);
  networks_->create({.name = "y", .subnet = "10.5.0.0/24", .options = {{"com.docker.network.bridge.name", "old"}}});
  networks_->remove(networks_->find("y")->id);
  EXPECT_NE(run("ip -o link show old"), "");
}

TEST_F(KernelNetworksTest, AFailedAttachLeavesNothing) {
  for (int i = 0; i < 20; ++i) {
    EXPECT_NE(error_of([&] {
                attach({kWeb, {.container_port = 81, .protocol = "tcp", .host_ip = "203.0.113.1", .host_first = 81}});
              }),
              "no error");
  }
  EXPECT_EQ(attach({kWeb}).endpoint->ports[0].host_port, 8080);
  EXPECT_EQ(error_of([&] { networks_->attach({.container_id = "c", .network = "nowhere"}); }),
            "network nowhere not found");
  EXPECT_EQ(
      error_of([&] { networks_->attach({.container_id = "c", .network = "bridge", .ipv4_address = "172.17.0.9"}); }),
      "user specified IP address is supported on user defined networks only");
  networks_->create({.name = "one", .subnet = "10.77.0.0/30"});
  const Sandbox full = attach({}, "one");
  EXPECT_TRUE(error_of([&] {
                attach({}, "one");
              }).starts_with("no available IPv4 addresses on this network's address pools: one ("));
}

TEST_F(KernelNetworksTest, TwoHundredAtOnceAndNothingIsLeft) {
  std::vector<Sandbox> boxes(200);
  std::atomic<std::size_t> next = 0;
  std::vector<double> times(boxes.size());
  const auto begin = steady_clock::now();
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&] {
        for (std::size_t at; (at = next++) < boxes.size();) {
          const auto start = steady_clock::now();
          boxes[at] =
              networks_->attach({.container_id = cat("p", at), .network = "bridge", .ports = {{.container_port = 80}}});
          times[at] = std::chrono::duration<double, std::milli>(steady_clock::now() - start).count();
        }
      });
    }
  }
  const double total = std::chrono::duration<double, std::milli>(steady_clock::now() - begin).count();
  std::sort(times.begin(), times.end());
  std::cout << "200 attaches, 8 threads: " << total << " ms; each p50 " << times[100] << " p99 " << times[198]
            << " ms\n";
  std::set<std::string> addresses;
  std::set<int> ports;
  for (const Sandbox& box : boxes) {
    addresses.insert(box.endpoint->ipv4_address);
    ports.insert(box.endpoint->ports.at(0).host_port);
  }
  EXPECT_EQ(addresses.size(), boxes.size());
  EXPECT_EQ(ports.size(), boxes.size());
  for (Sandbox& box : boxes) networks_->detach(*box.endpoint);
  boxes.clear();
  for (int i = 0; i < 100 && count_veths() > 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds{100});
  EXPECT_EQ(count_veths(), 0);
  EXPECT_EQ(run("nft list map ip berth-test ports | grep -c elements"), "0\n");
}

TEST_F(KernelNetworksTest, TheFirstPacketGetsThrough) {
  std::vector<double> times;
  for (int i = 0; i < 30; ++i) {
    const Sandbox box = attach();
    const auto start = steady_clock::now();
    EXPECT_EQ(ask(box.netns, SOCK_STREAM, networks_->default_gateway(), 9), "Connection refused");
    times.push_back(std::chrono::duration<double, std::milli>(steady_clock::now() - start).count());
    networks_->detach(*box.endpoint);
  }
  std::sort(times.begin(), times.end());
  std::cout << "first answer after attach: p50 " << times[15] << " ms, max " << times[29] << " ms\n";
}

TEST_F(KernelNetworksTest, AttachLatency) {
  std::cout << "opening on a fresh host: " << opening_ << " ms\n";
  const auto again = steady_clock::now();
  restart({});
  std::cout << "opening again: " << std::chrono::duration<double, std::milli>(steady_clock::now() - again).count()
            << " ms\n";
  for (const char* what : {"isolated", "attach", "attach with a port"}) {
    std::vector<double> times;
    for (int i = 0; i < 40; ++i) {
      const auto start = steady_clock::now();
      const Sandbox box = what[0] == 'i'                  ? networks_->isolated()
                          : std::string{what} == "attach" ? attach()
                                                          : attach({{.container_port = 80}});
      times.push_back(std::chrono::duration<double, std::milli>(steady_clock::now() - start).count());
      if (box.endpoint) networks_->detach(*box.endpoint);
    }
    std::sort(times.begin(), times.end());
    std::cout << what << ": p50 " << times[20] << " ms, p95 " << times[38] << " ms\n";
  }
}

}  // namespace
}  // namespace berth::network
