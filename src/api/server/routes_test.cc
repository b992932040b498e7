#include "api/server/routes.h"

#include <gtest/gtest.h>

#include "api/server/answers.h"
#include "api/server/fakes_for_test.h"

namespace berth::api {
namespace {

using testing::Api;
using testing::FakeStream;

struct OneResult final : engine::Waiter {
  explicit OneResult(engine::WaitResult answer) : result_(std::move(answer)) {}
  Task<engine::WaitResult> result() override { co_return result_; }
  engine::WaitResult result_;
};

struct TwoPieces final : engine::LogStream {
  explicit TwoPieces(bool tty) : tty_(tty) {}
  bool tty() const override { return tty_; }
  Task<std::optional<std::string>> next() override {
    if (++count_ > 2) co_return std::nullopt;
    co_return std::string(count_, 'x');
  }
  bool tty_;
  std::size_t count_ = 0;
};

struct Session final : engine::AttachSession {
  explicit Session(bool& ran) : ran_(ran) {}
  bool tty() const override { return false; }
  Task<void> run(engine::Hijacked) override {
    ran_ = true;
    co_return;
  }
  bool& ran_;
};

class Containers final : public testing::FakeContainers {
 public:
  std::string seen;
  engine::Started outcome = engine::Started::now;
  engine::WaitResult wait_result;
  bool attached = false;

  Task<engine::Created> create(std::string name, std::string, container::CreateRequest request) override {
    seen = name + " " + request.image;
    co_return engine::Created{.id = "abc"};
  }
  Task<engine::Started> start(std::string id, engine::CheckpointName) override {
    seen = id;
    co_return outcome;
  }
  Task<engine::Started> stop(std::string id, std::optional<int> timeout, std::string signal) override {
    seen = id + " " + (timeout ? std::to_string(*timeout) : "own") + " " + signal;
    co_return outcome;
  }
  Task<void> kill(std::string id, std::string) override {
    throw not_found("No such container: " + id);
    co_return;
  }
  Task<void> remove(std::string id, engine::RemoveOptions options) override {
    seen = id + (options.force ? " force" : "") + (options.volumes ? " volumes" : "");
    co_return;
  }
  Task<std::vector<std::string>> update(std::string, container::Resources resources,
                                        std::optional<container::RestartPolicy> policy) override {
    seen = std::to_string(resources.memory) + (policy ? policy->name : " none");
    co_return std::vector<std::string>{};
  }
  Task<std::vector<engine::ContainerSummary>> list(engine::ListQuery query) override {
    seen = std::to_string(query.limit) + (query.all ? " all" : "");
    co_return std::vector<engine::ContainerSummary>{};
  }
  Task<std::unique_ptr<engine::Waiter>> open_wait(std::string, engine::WaitCondition condition) override {
    seen = std::to_string(static_cast<int>(condition));
    co_return std::make_unique<OneResult>(wait_result);
  }
  Task<std::unique_ptr<engine::LogStream>> open_logs(std::string id, engine::LogQuery query) override {
    seen = query.tail ? std::to_string(*query.tail) : "all";
    co_return std::make_unique<TwoPieces>(id == "tty");
  }
  Task<std::unique_ptr<engine::AttachSession>> open_attach(std::string, engine::AttachOptions options) override {
    seen = options.detach_keys.value_or("default");
    co_return std::make_unique<Session>(attached);
  }
  Task<std::string> exec_create(std::string, engine::ExecCreateRequest) override { co_return "e1"; }
  Task<std::unique_ptr<engine::AttachSession>> exec_start(std::string, engine::ExecStartOptions options) override {
    if (options.detach) co_return nullptr;
    co_return std::make_unique<Session>(attached);
  }
};

class ContainerApi : public ::testing::Test {
 protected:
  ContainerApi() {
    add_container_routes(api_.router, containers_);
    add_container_stream_routes(api_.router, containers_);
    add_exec_routes(api_.router, containers_);
  }
  Containers containers_;
  Api api_;
};

TEST_F(ContainerApi, Creates) {
  const FakeStream answer = api_.ask("POST", "/containers/create?name=web", R"({"Image":"busybox"})");
  EXPECT_EQ(answer.status, 201);
  EXPECT_EQ(answer.body, "{\"Id\":\"abc\",\"Warnings\":[]}\n");
  EXPECT_EQ(containers_.seen, "web busybox");
}

TEST_F(ContainerApi, RefusesBodiesThatAreNotJson) {
  const FakeStream empty = api_.ask("POST", "/containers/create");
  EXPECT_EQ(empty.status, 400);
  EXPECT_EQ(empty.body, "{\"message\":\"invalid JSON: got EOF while reading request body\"}\n");
  const FakeStream wrong_type = api_.ask("POST", "/containers/create", R"({"Image":5})");
  EXPECT_EQ(wrong_type.status, 400);
  EXPECT_TRUE(wrong_type.body.starts_with("{\"message\":\"invalid JSON: json: cannot unmarshal number into"))
      << wrong_type.body;
}

TEST_F(ContainerApi, BrokenBodiesAreRefusedInGosWords) {
  const auto refusal = [&](std::string_view body) {
    const FakeStream answer = api_.ask("POST", "/containers/create", std::string{body});
    EXPECT_EQ(answer.status, 400);
    return json::parse(answer.body).as_object().at("message").as_string();
  };
  EXPECT_EQ(refusal("{"), "invalid JSON: unexpected EOF");
  EXPECT_EQ(refusal(R"({"a": 1,})"), "invalid JSON: invalid character '}' looking for beginning of object key string");
  EXPECT_EQ(refusal("{'a': 1}"), "invalid JSON: invalid character '\\'' looking for beginning of object key string");
  EXPECT_EQ(refusal("{\"a\": \"x\ny\"}"), "invalid JSON: invalid character '\\n' in string literal");
  EXPECT_EQ(refusal(R"({"a": "\u12"})"), "invalid JSON: invalid character '\"' in \\u hexadecimal character escape");
  EXPECT_EQ(refusal(R"({"a": "\q"})"), "invalid JSON: invalid character 'q' in string escape code");
  EXPECT_EQ(refusal(R"({"a": [1 2]})"), "invalid JSON: invalid character '2' after array element");
  EXPECT_EQ(refusal(R"({"a": 1 "b": 2})"), "invalid JSON: invalid character '\"' after object key:value pair");
  EXPECT_EQ(refusal(R"({"a": x})"), "invalid JSON: invalid character 'x' looking for beginning of value");
  EXPECT_EQ(refusal("null"), "config cannot be empty in order to create a container");
}

TEST_F(ContainerApi, SeveralNetworksNeedANewerVersion) {
  const std::string body = R"({"Image":"x","NetworkingConfig":{"EndpointsConfig":{"a":{},"b":{}}}})";
  const FakeStream old = api_.ask("POST", "/v1.43/containers/create", body);
  EXPECT_EQ(old.status, 400);
  EXPECT_TRUE(old.body.contains("Container cannot be created with multiple network endpoints: a, b")) << old.body;
  EXPECT_EQ(api_.ask("POST", "/v1.44/containers/create", body).status, 201);
}

TEST_F(ContainerApi, AnEmptyPathElementIsRedirected) {
  EXPECT_EQ(api_.ask("GET", "/containers//json?all=1").status, 301);
}

TEST_F(ContainerApi, StartAndStopTellWhetherAnythingChanged) {
  EXPECT_EQ(api_.ask("POST", "/containers/a/start").status, 204);
  EXPECT_EQ(api_.ask("POST", "/containers/a/stop?t=3&signal=INT").status, 204);
  EXPECT_EQ(containers_.seen, "a 3 INT");
  containers_.outcome = engine::Started::already;
  EXPECT_EQ(api_.ask("POST", "/containers/a/start").status, 304);
  EXPECT_EQ(api_.ask("POST", "/containers/a/stop").status, 304);
  EXPECT_EQ(containers_.seen, "a own ");
  EXPECT_EQ(api_.ask("POST", "/containers/a/start", R"({"Binds":[]})").status, 400);
}

TEST_F(ContainerApi, ErrorsOfTheEngineBecomeAnswers) {
  const FakeStream answer = api_.ask("POST", "/containers/web/kill");
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(answer.body, "{\"message\":\"No such container: web\"}\n");
}

TEST_F(ContainerApi, UpdateTakesThePolicyOnlyWhenItHasAName) {
  EXPECT_EQ(api_.ask("POST", "/containers/a/update", R"({"Memory":5,"RestartPolicy":{"Name":""}})").body,
            "{\"Warnings\":null}\n");
  EXPECT_EQ(containers_.seen, "5 none");
  api_.ask("POST", "/containers/a/update", R"({"RestartPolicy":{"Name":"always"}})");
  EXPECT_EQ(containers_.seen, "0always");
}

TEST_F(ContainerApi, ListIsAnEmptyListNotNull) {
  EXPECT_EQ(api_.ask("GET", "/containers/json?all=1&limit=3").body, "[]\n");
  EXPECT_EQ(containers_.seen, "3 all");
}

TEST_F(ContainerApi, RemoveAnswersWithoutBody) {
  const FakeStream answer = api_.ask("DELETE", "/containers/a?force=1&v=1");
  EXPECT_EQ(answer.status, 204);
  EXPECT_EQ(containers_.seen, "a force volumes");
}

TEST_F(ContainerApi, WaitReportsCodeAndError) {
  containers_.wait_result = {.status_code = 7};
  EXPECT_EQ(api_.ask("POST", "/containers/a/wait?condition=removed").body, "{\"StatusCode\":7}\n");
  EXPECT_EQ(containers_.seen, "2");
  containers_.wait_result = {.status_code = 0, .error = "gone"};
  EXPECT_EQ(api_.ask("POST", "/containers/a/wait").body, "{\"StatusCode\":0,\"Error\":{\"Message\":\"gone\"}}\n");
  const FakeStream wrong = api_.ask("POST", "/containers/a/wait?condition=x");
  EXPECT_EQ(wrong.status, 400);
  EXPECT_EQ(wrong.body, "{\"message\":\"invalid condition: \\\"x\\\"\"}\n");
}

TEST_F(ContainerApi, LogsNameTheirFormat) {
  EXPECT_EQ(api_.ask("GET", "/containers/a/logs?stdout=1&tail=all").content_type, kMultiplexedStream);
  EXPECT_EQ(containers_.seen, "all");
  EXPECT_EQ(api_.ask("GET", "/v1.41/containers/a/logs?stdout=1&tail=5").content_type, kRawStream);
  EXPECT_EQ(containers_.seen, "5");
  const FakeStream tty = api_.ask("GET", "/containers/tty/logs?stderr=1");
  EXPECT_EQ(tty.content_type, kRawStream);
  EXPECT_EQ(tty.body, "xxx");
  const FakeStream none = api_.ask("GET", "/containers/a/logs");
  EXPECT_EQ(none.status, 400);
  EXPECT_EQ(none.body, "{\"message\":\"Bad parameters: you must choose at least one stream\"}\n");
}

TEST_F(ContainerApi, AttachHandsTheConnectionOver) {
  const FakeStream upgraded =
      api_.ask("POST", "/containers/a/attach?stream=1&detachKeys=ctrl-x", "", {{"Upgrade", "tcp"}});
  EXPECT_EQ(upgraded.hijacked_as, kMultiplexedStream);
  EXPECT_EQ(containers_.seen, "ctrl-x");
  EXPECT_TRUE(containers_.attached);
  EXPECT_EQ(api_.ask("POST", "/containers/a/attach?stream=1").hijacked_as, kRawStream);
}

TEST_F(ContainerApi, ExecIsCreatedThenStarted) {
  EXPECT_EQ(api_.ask("POST", "/containers/a/exec", R"({"Cmd":["ls"]})").body, "{\"Id\":\"e1\"}\n");
  EXPECT_EQ(api_.ask("POST", "/containers/a/exec", "{}").body, "{\"message\":\"No exec command specified\"}\n");
  EXPECT_EQ(api_.ask("POST", "/exec/e1/start", R"({"Detach":true})").status, 200);
  EXPECT_FALSE(containers_.attached);
  EXPECT_EQ(api_.ask("POST", "/exec/e1/start", "{}").status, 101);
  EXPECT_TRUE(containers_.attached);
}

}  // namespace
}  // namespace berth::api
