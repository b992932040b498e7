#include "engine/container_views.h"

#include <gtest/gtest.h>

#include "base/core/error.h"

namespace berth::engine {
namespace {

using container::Record;
using container::Status;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

std::string error_of(auto call) {
  try {
    call();
  } catch (const Error& error) {
    return error.text();
  }
  return "";
}

TEST(HumanDuration, AsGoUnits) {
  const std::vector<std::pair<std::chrono::nanoseconds, std::string>> table{
      {std::chrono::milliseconds{900}, "Less than a second"},
      {seconds{1}, "1 second"},
      {seconds{59}, "59 seconds"},
      {seconds{60}, "About a minute"},
      {minutes{2}, "2 minutes"},
      {minutes{59}, "59 minutes"},
      {minutes{60}, "About an hour"},
      {minutes{90}, "2 hours"},
      {hours{47}, "47 hours"},
      {hours{48}, "2 days"},
      {hours{24 * 13}, "13 days"},
      {hours{24 * 14}, "2 weeks"},
      {hours{24 * 60}, "2 months"},
      {hours{24 * 365 * 2}, "2 years"},
      {seconds{-5}, "Less than a second"}};
  for (const auto& [duration, text] : table) EXPECT_EQ(human_duration(duration), text);
}

constexpr std::int64_t kSecond = 1'000'000'000;
const Time kNow{std::chrono::seconds{1'000'000}};

std::int64_t ago(int number_of_seconds) { return (1'000'000 - number_of_seconds) * kSecond; }

TEST(StatusLine, EveryState) {
  EXPECT_EQ(status_line({.status = Status::created}, kNow), "Created");
  EXPECT_EQ(status_line({.status = Status::running, .started_at = ago(120)}, kNow), "Up 2 minutes");
  EXPECT_EQ(status_line({.status = Status::paused, .started_at = ago(120)}, kNow), "Up 2 minutes (Paused)");
  EXPECT_EQ(status_line({.status = Status::exited, .exit_code = 3, .started_at = ago(9), .finished_at = ago(3)}, kNow),
            "Exited (3) 3 seconds ago");
  EXPECT_EQ(status_line({.status = Status::restarting, .exit_code = 1, .finished_at = ago(5)}, kNow),
            "Restarting (1) 5 seconds ago");
  container::State probed{.status = Status::running, .started_at = ago(120)};
  probed.health.emplace();
  EXPECT_EQ(status_line(probed, kNow), "Up 2 minutes (health: starting)");
  probed.health->status = container::HealthStatus::unhealthy;
  EXPECT_EQ(status_line(probed, kNow), "Up 2 minutes (unhealthy)");
  EXPECT_EQ(status_line({.status = Status::removing}, kNow), "Removal In Progress");
  EXPECT_EQ(status_line({.status = Status::dead}, kNow), "Dead");
}

Record web() {
  Record record;
  record.id = std::string(64, 'a');
  record.name = "web";
  record.created = ago(100);
  record.path = "nginx";
  record.args = {"-g", "daemon off;"};
  record.image_id = "sha256:1234";
  record.image_name = "nginx:latest";
  record.config.exposed_ports = {{"80/tcp", {}}, {"443/tcp", {}}};
  record.config.labels = {{"tier", "front"}};
  record.host_config.network_mode = "bridge";
  record.mount_points = {
      {.type = "volume", .name = "data", .source = "/v/data", .destination = "/data", .driver = "local"}};
  record.state = {.status = Status::running, .pid = 42, .started_at = ago(60)};
  return record;
}

std::vector<network::Endpoint> on_bridge() {
  network::Endpoint endpoint;
  endpoint.id = "ep1";
  endpoint.network_id = "net1";
  endpoint.network_name = "bridge";
  endpoint.ipv4_address = "172.18.0.2";
  endpoint.gateway = "172.18.0.1";
  endpoint.prefix_length = 16;
  endpoint.ports = {{.container_port = 80, .host_port = 8080, .protocol = "tcp", .host_ip = "0.0.0.0"}};
  return {endpoint};
}

TEST(Summary, ShowsWhatPsNeeds) {
  const ContainerSummary view = make_summary(web(), on_bridge(), kNow);
  EXPECT_EQ(view.command, "nginx -g 'daemon off;'");
  EXPECT_EQ(view.names, (std::vector<std::string>{"/web"}));
  EXPECT_EQ(view.status, "Up About a minute");
  EXPECT_EQ(view.created, 999'900);
  ASSERT_EQ(view.ports.size(), 2u);
  EXPECT_EQ(json::to_json(view.ports),
            R"([{"PrivatePort":443,"Type":"tcp"},{"IP":"0.0.0.0","PrivatePort":80,"PublicPort":8080,"Type":"tcp"}])");
  EXPECT_EQ(view.network_settings.networks.at("bridge").ip_address, "172.18.0.2");
  EXPECT_EQ(json::to_json(view).find("SizeRw"), std::string::npos);
}

TEST(Inspect, NetworkSettingsTwice) {
  const ContainerInspect view =
      make_inspect(web(), on_bridge(),
                   {.container_dir = "/d", .netns_path = "/proc/42/ns/net", .graph_driver = {.name = "overlay2"}});
  EXPECT_EQ(view.network_settings.legacy.ip_address, "172.18.0.2");
  EXPECT_EQ(view.network_settings.networks.size(), 1u);
  EXPECT_EQ(json::to_json(view.network_settings.ports),
            R"({"443/tcp":null,"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"8080"}]})");
  EXPECT_EQ(view.name, "/web");
  EXPECT_EQ(view.driver, "overlay2");
  EXPECT_EQ(view.hosts_path, "/d/hosts");
  EXPECT_TRUE(view.state.running);
  EXPECT_EQ(view.state.finished_at, "0001-01-01T00:00:00Z");
  EXPECT_EQ(view.platform, "linux");
  for (const char* field :
       {"\"Id\"",           "\"Created\"",         "\"Path\"",           "\"Args\"",       "\"State\"",
        "\"Image\"",        "\"ResolvConfPath\"",  "\"HostnamePath\"",   "\"HostsPath\"",  "\"LogPath\"",
        "\"Name\"",         "\"RestartCount\"",    "\"Driver\"",         "\"Platform\"",   "\"MountLabel\"",
        "\"ProcessLabel\"", "\"AppArmorProfile\"", "\"ExecIDs\"",        "\"HostConfig\"", "\"GraphDriver\"",
        "\"Mounts\"",       "\"Config\"",          "\"NetworkSettings\""}) {
    EXPECT_NE(json::to_json(view).find(field), std::string::npos) << field;
  }
}

TEST(Inspect, AStoppedContainerKeepsItsNetworksName) {
  Record record = web();
  record.state = {.status = Status::exited};
  const ContainerInspect view = make_inspect(record, {}, {});
  EXPECT_EQ(view.network_settings.networks.at("bridge").ip_address, "");
  EXPECT_EQ(json::to_json(view.network_settings.ports), "{}");
  EXPECT_EQ(view.network_settings.sandbox_key, "");
}

bool matches(const std::string& filters, const Record& record = web(), const FilterLookups& lookups = {}) {
  return ContainerFilter{Filters::parse(filters), lookups}.matches(record, on_bridge());
}

TEST(ContainerFilter, EachFilter) {
  EXPECT_TRUE(matches("{}"));
  for (const char* yes :
       {R"({"id":["aaaa"]})", R"({"name":["we"]})", R"({"name":["^/?web$"]})", R"({"name":["x","^w"]})",
        R"({"label":["tier=front"]})", R"({"status":["running"]})", R"({"volume":["data"]})", R"({"volume":["/data"]})",
        R"({"network":["bridge"]})", R"({"network":["net1"]})", R"({"publish":["8080"]})",
        R"({"publish":["8000-8100/tcp"]})", R"({"expose":["443"]})", R"({"health":["none"]})",
        R"({"is-task":["false"]})", R"({"label!":["other"]})"}) {
    EXPECT_TRUE(matches(yes)) << yes;
  }
  for (const char* no :
       {R"({"id":["b"]})", R"({"name":["^eb"]})", R"({"label":["tier=back"]})", R"({"status":["exited"]})",
        R"({"volume":["/v/data"]})", R"({"network":["other"]})", R"({"publish":["80"]})", R"({"expose":["8080"]})",
        R"({"health":["healthy"]})", R"({"is-task":["true"]})", R"({"exited":["0"]})", R"({"ancestor":["nginx"]})",
        R"({"name":["("]})"}) {
    EXPECT_FALSE(matches(no)) << no;
  }
}

TEST(ContainerFilter, Health) {
  Record record = web();
  record.state.health.emplace().status = container::HealthStatus::healthy;
  EXPECT_TRUE(matches(R"({"health":["healthy"]})", record));
  EXPECT_FALSE(matches(R"({"health":["none"]})", record));
}

TEST(Inspect, HealthWithItsLog) {
  Record record = web();
  EXPECT_FALSE(make_inspect(record, {}, {}).state.health);
  container::Health& health = record.state.health.emplace();
  EXPECT_EQ(json::to_json(*make_inspect(record, {}, {}).state.health),
            R"({"Status":"starting","FailingStreak":0,"Log":[]})");
  health.log.push_back({.start = 1'000'000'000, .end = 1'500'000'000, .exit_code = -1, .output = "x"});
  EXPECT_EQ(json::to_json(make_inspect(record, {}, {}).state.health->log.front()),
            R"({"Start":"1970-01-01T00:00:01Z","End":"1970-01-01T00:00:01.5Z","ExitCode":-1,"Output":"x"})");
}

TEST(ContainerFilter, AncestorsAndAges) {
  Record older = web();
  older.created = ago(200);
  older.id = std::string(64, 'b');
  const FilterLookups lookups{
      .find_container = [&](const std::string& name) { return name == "older" ? &older : nullptr; },
      .find_images = [](const std::string&) { return std::set<std::string>{"sha256:1234"}; },
      .find_network_id = {}};
  EXPECT_TRUE(matches(R"({"ancestor":["nginx"]})", web(), lookups));
  EXPECT_TRUE(matches(R"({"since":["older"]})", web(), lookups));
  EXPECT_FALSE(matches(R"({"before":["older"]})", web(), lookups));
  EXPECT_FALSE(matches(R"({"since":["older"]})", older, lookups));
  EXPECT_EQ(error_of([&] { matches(R"({"before":["x"]})", web(), lookups); }), "No such container: x");
}

TEST(ContainerFilter, RefusesWithDockersText) {
  EXPECT_EQ(error_of([] { matches(R"({"foo":["x"]})"); }), "invalid filter 'foo'");
  EXPECT_EQ(error_of([] { matches(R"({"status":["x"]})"); }),
            "invalid filter 'status=x': invalid value for state (x): must be one of created, running, paused, "
            "restarting, removing, exited, dead");
  EXPECT_EQ(error_of([] { matches(R"({"publish":["1:2"]})"); }), "filter for 'publish' should not contain ':': 1:2");
  EXPECT_EQ(error_of([] { matches(R"({"is-task":["x"]})"); }), "invalid filter 'is-task=[x]'");
  EXPECT_NE(error_of([] { matches(R"({"exited":["x"]})"); }), "");
  EXPECT_NE(error_of([] { matches(R"({"expose":["x"]})"); }), "");
}

}  // namespace
}  // namespace berth::engine
