#include "engine/networks_service.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"

namespace berth::engine {
namespace {

class FakeNetworks : public network::Networks {
 public:
  network::Sandbox attach(const network::EndpointRequest&) override { throw not_implemented("fake"); }
  network::Sandbox isolated() override { throw not_implemented("fake"); }
  std::vector<network::Traffic> traffic(const std::vector<std::string>&) override { return {}; }
  void detach(const network::Endpoint&) override {}
  void reconcile(const std::vector<network::Endpoint>&) override {}
  std::vector<network::NetworkRecord> list() const override { return records; }
  std::optional<network::NetworkRecord> find(const std::string& name) const override {
    for (const auto& record : records)
      if (record.name == name || record.id == name) return record;
    return std::nullopt;
  }
  network::NetworkRecord create(network::NetworkRecord wanted) override {
    wanted.id = random_id();
    wanted.subnet = "172.20.0.0/16";
    wanted.gateway = "172.20.0.1";
    wanted.created = "2026-01-02T03:04:05Z";
    records.push_back(wanted);
    return wanted;
  }
  void remove(const std::string& id) override {
    std::erase_if(records, [&](const auto& record) { return record.id == id; });
  }
  std::string default_gateway() const override { return "172.17.0.1"; }
  void tear_down() override {}

  std::vector<network::NetworkRecord> records{{.id = "b1", .name = "bridge"},
                                              {.id = "b2", .name = "host", .driver = "host"},
                                              {.id = "b3", .name = "none", .driver = "null"}};
};

class FakeUsers : public NetworkUsers {
 public:
  std::vector<Attached> attached() const override { return all; }
  void network_changed(std::string_view action, const network::NetworkRecord& record) override {
    events.push_back(cat(action, ' ', record.name));
  }
  std::vector<Attached> all;
  std::vector<std::string> events;
};

class NetworksServiceTest : public testing::Test {
 protected:
  template <class T>
  T wait(Task<T> task) {
    std::optional<T> result;
    std::exception_ptr failure;
    boost::asio::co_spawn(loop_, std::move(task), [&](std::exception_ptr error, T value) {
      failure = error;
      if (!error) result = std::move(value);
    });
    loop_.restart();
    while (!result && !failure) loop_.run_one();
    if (failure) std::rethrow_exception(failure);
    return std::move(*result);
  }
  void wait(Task<void> task) {
    bool done = false;
    std::exception_ptr failure;
    boost::asio::co_spawn(loop_, std::move(task), [&](std::exception_ptr error) {
      failure = error;
      done = true;
    });
    loop_.restart();
    while (!done) loop_.run_one();
    if (failure) std::rethrow_exception(failure);
  }
  template <class Work>
  std::string error_of(Work work) {
    try {
      work();
    } catch (const Error& error) {
      return error.text();
    }
    return "no error";
  }
  std::vector<std::string> names(const Filters& filters) {
    std::vector<std::string> found;
    for (const NetworkView& view : wait(service_.list(filters))) found.push_back(view.name);
    return found;
  }

  sys::TemporaryDir folder_{"/tmp"};
  EventLoop loop_;
  db::Database database_{loop_, cat(folder_.path(), "/state.db")};
  async::BlockingPool pool_{loop_, 1};
  FakeNetworks networks_;
  FakeUsers users_;
  Logger log_;
  std::vector<network::NetworkRecord> known_ = load_network_records(database_, log_);
  NetworksService service_{networks_, database_, pool_, users_};
};

TEST_F(NetworksServiceTest, ACreatedNetworkIsStoredUntilItIsRemoved) {
  const NetworkCreated created = wait(service_.create({.name = "web", .internal = true, .labels = {{"a", "b"}}}));
  const std::vector<network::NetworkRecord> stored = load_network_records(database_, log_);
  ASSERT_EQ(stored.size(), 1);
  EXPECT_EQ(stored[0].id, created.id);
  EXPECT_TRUE(stored[0].internal);
  EXPECT_EQ(wait(service_.inspect("web")).ipam.config.at(0).gateway, "172.20.0.1");
  wait(service_.remove("web"));
  EXPECT_TRUE(load_network_records(database_, log_).empty());
  EXPECT_EQ(users_.events, (std::vector<std::string>{"create web", "destroy web"}));
  EXPECT_EQ(error_of([&] { wait(service_.inspect("web")); }), "network web not found");
}

/// A pool with one thread, and cancellation while it is at work: what was begun is done, whoever hears of it.
TEST_F(NetworksServiceTest, WhoIsCancelledLeavesANetworkWithItsRowOrNeither) {
  const auto cancelled_at_once = [&](Task<void> task) {
    boost::asio::cancellation_signal signal;
    std::optional<ErrorKind> outcome;
    boost::asio::co_spawn(loop_, std::move(task),
                          boost::asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr error) {
                            try {
                              if (error) std::rethrow_exception(error);
                            } catch (const Error& caught) {
                              outcome = caught.kind();
                            }
                          }));
    loop_.restart();
    loop_.poll_one();  // as far as the pool
    signal.emit(boost::asio::cancellation_type::all);
    while (!outcome) loop_.run_one();
    return *outcome;
  };
  const auto create = [&]() -> Task<void> { co_await service_.create({.name = "web"}); };
  EXPECT_EQ(cancelled_at_once(create()), ErrorKind::cancelled);
  ASSERT_EQ(load_network_records(database_, log_).size(), 1);
  EXPECT_EQ(load_network_records(database_, log_)[0].id, wait(service_.inspect("web")).id);
  EXPECT_EQ(cancelled_at_once(service_.remove("web")), ErrorKind::cancelled);
  EXPECT_TRUE(load_network_records(database_, log_).empty());
  EXPECT_EQ(networks_.records.size(), 3);
  EXPECT_EQ(users_.events, (std::vector<std::string>{"create web", "destroy web"}));
}

TEST_F(NetworksServiceTest, FiltersChoose) {
  const std::string id = wait(service_.create({.name = "web", .labels = {{"a", "b"}}})).id;
  wait(service_.create({.name = "db"}));
  users_.all.push_back({"c",
                        {.id = "e",
                         .network_id = id,
                         .container_id = "abc",
                         .mac_address = "02:42:ac:14:00:02",
                         .ipv4_address = "172.20.0.2",
                         .prefix_length = 16}});
  const auto by = [&](const char* name, const char* value) {
    Filters filters;
    filters.add(name, value);
    return names(filters);
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(by("type", "builtin"), (Names{"bridge", "host", "none"}));
  EXPECT_EQ(by("type", "custom"), (Names{"web", "db"}));
  EXPECT_EQ(by("driver", "null"), (Names{"none"}));
  EXPECT_EQ(by("label", "a=b"), (Names{"web"}));
  EXPECT_EQ(by("name", "we"), (Names{"web"}));
  EXPECT_EQ(by("scope", "swarm"), Names{});
  EXPECT_EQ(by("dangling", "true"), (Names{"db"}));
  EXPECT_EQ(by("id", id.c_str()), (Names{"web"}));
  EXPECT_NE(error_of([&] { by("colour", "blue"); }), "no error");
  EXPECT_EQ(wait(service_.inspect("web")).containers.at("abc").ipv4_address, "172.20.0.2/16");
  EXPECT_EQ(wait(service_.prune({})), (Names{"db"}));
}

TEST(MakeNetworkRecord, RefusesInDockersWords) {
  const auto error_of = [](const NetworkCreateRequest& request) -> std::pair<ErrorKind, std::string> {
    try {
      make_network_record(request);
    } catch (const Error& error) {
      return {error.kind(), error.text()};
    }
    return {ErrorKind::system, "no error"};
  };
  using Found = std::pair<ErrorKind, std::string>;
  EXPECT_EQ(error_of({.name = " "}), (Found{ErrorKind::invalid, "invalid name: name is empty"}));
  EXPECT_EQ(error_of({.name = "host"}),
            (Found{ErrorKind::forbidden, "operation is not permitted on predefined host network"}));
  EXPECT_EQ(error_of({.name = "x", .driver = "host"}),
            (Found{ErrorKind::forbidden, "only one instance of \"host\" network is allowed"}));
  EXPECT_EQ(error_of({.name = "x", .driver = "nope"}), (Found{ErrorKind::not_found, "plugin \"nope\" not found"}));
  EXPECT_EQ(error_of({.name = "x", .driver = "overlay"}).first, ErrorKind::not_implemented);
  EXPECT_EQ(error_of({.name = "x", .enable_ipv6 = true}).first, ErrorKind::not_implemented);
  EXPECT_EQ(error_of({.name = "x", .ipam = Ipam{.config = {{.subnet = "10.0.0.1/8"}}}}).second,
            "invalid network config:\ninvalid subnet 10.0.0.1/8: it should be 10.0.0.0/8");
  EXPECT_EQ(
      error_of({.name = "x", .ipam = Ipam{.config = {{.subnet = "10.0.0.0/8"}, {.subnet = "11.0.0.0/8"}}}}).second,
      "bridge driver doesn't support multiple subnets");
}

}  // namespace
}  // namespace berth::engine
