#include "api/server/router.h"

#include <gtest/gtest.h>

#include "api/server/errors.h"
#include "api/server/fakes_for_test.h"
#include "api/server/json_body.h"

namespace berth::api {
namespace {

using testing::Api;
using testing::FakeStream;

Task<http::Response> echo_param(Request request) {
  std::string text;
  for (const auto& [name, value] : request.params) text += name + "=" + value + ";";
  co_return http::Response::json(200, text + std::to_string(request.version.minor));
}

class Routing : public ::testing::Test {
 protected:
  Routing() {
    api_.router.add("GET", "/images/json", echo_param);
    api_.router.add("GET", "/images/{name:.*}/json", echo_param);
    api_.router.add("GET", "/containers/{id}/json", echo_param);
    api_.router.add("DELETE", "/images/{name:.*}", echo_param);
    api_.router.add_missing("POST", "/build");
  }
  Api api_;
};

TEST_F(Routing, TakesPathsWithAndWithoutVersion) {
  EXPECT_EQ(api_.ask("GET", "/containers/web/json").body, "id=web;51");
  EXPECT_EQ(api_.ask("GET", "/v1.24/containers/web/json").body, "id=web;24");
  EXPECT_EQ(api_.ask("GET", "/v1.51/containers/web/json").body, "id=web;51");
}

TEST_F(Routing, RefusesVersionsItDoesNotSpeak) {
  const FakeStream newer = api_.ask("GET", "/v1.99/images/json");
  EXPECT_EQ(newer.status, 400);
  EXPECT_EQ(newer.body, "{\"message\":\"client version 1.99 is too new. Maximum supported API version is 1.51\"}\n");
  const FakeStream older = api_.ask("GET", "/v1.10/images/json");
  EXPECT_EQ(older.status, 400);
  EXPECT_EQ(older.body,
            "{\"message\":\"client version 1.10 is too old. Minimum supported API version is 1.24, please "
            "upgrade your client to a newer version\"}\n");
  EXPECT_EQ(api_.ask("GET", "/v1.100/images/json").status, 400);
}

TEST_F(Routing, ImageNamesMayHaveSlashes) {
  EXPECT_EQ(api_.ask("GET", "/v1.51/images/localhost:5000/a/b:c/json").body, "name=localhost:5000/a/b:c;51");
  EXPECT_EQ(api_.ask("GET", "/images/json").body, "51");
  EXPECT_EQ(api_.ask("DELETE", "/images/a/b").body, "name=a/b;51");
}

TEST_F(Routing, UnknownPathsAndMethodsAreNotFound) {
  for (const char* path : {"/", "/nothing", "/v1.51", "/v1.51/", "/containers/a/b/json"}) {
    const FakeStream answer = api_.ask("GET", path);
    EXPECT_EQ(answer.status, 404) << path;
    EXPECT_EQ(answer.body, "{\"message\":\"page not found\"}\n") << path;
  }
  EXPECT_EQ(api_.ask("PUT", "/images/json").status, 404);
  // Go's mux cleans paths.
  for (const char* path : {"/containers//json", "/images//json"}) EXPECT_EQ(api_.ask("GET", path).status, 301) << path;
}

TEST_F(Routing, MissingPartsSaySo) {
  const FakeStream answer = api_.ask("POST", "/v1.40/build");
  EXPECT_EQ(answer.status, 501);
  EXPECT_EQ(answer.body, "{\"message\":\"POST /build is not supported: not implemented by Berth yet\"}\n");
}

TEST_F(Routing, BrokenQueriesAreRefused) {
  const FakeStream answer = api_.ask("GET", "/images/json?a=%zz");
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.body, "{\"message\":\"invalid URL escape \\\"%zz\\\"\"}\n");
}

TEST(Errors, KindsHaveStatuses) {
  EXPECT_EQ(error_response(invalid("x")).status, 400);
  EXPECT_EQ(error_response(not_found("x")).status, 404);
  EXPECT_EQ(error_response(conflict("x")).status, 409);
  EXPECT_EQ(error_response(system_error("x")).status, 500);
  EXPECT_EQ(error_response(not_implemented("x")).status, 501);
  EXPECT_EQ(error_response(Error{ErrorKind::unavailable, "x"}).status, 503);
  const http::Response same = error_response(Error{ErrorKind::not_modified, "already started"});
  EXPECT_EQ(same.status, 304);
  EXPECT_EQ(same.body, "");
}

TEST(RequestQuery, FlagsAreDockers) {
  Request request;
  request.query = http::Query::parse("a=1&b=0&c=&d=No&e=FALSE&f=none&g=anything&h");
  for (const char* name : {"a", "g"}) EXPECT_TRUE(request.flag(name)) << name;
  for (const char* name : {"b", "c", "d", "e", "f", "h", "absent"}) EXPECT_FALSE(request.flag(name)) << name;
  EXPECT_TRUE(request.flag("absent", true));
}

TEST(RequestQuery, NumbersAndTimes) {
  Request request;
  request.query = http::Query::parse("t=-1&w=x&since=1136073600.5&until=0&bad=abc&plus=%2B5");
  EXPECT_EQ(request.integer("t"), -1);
  EXPECT_EQ(request.integer("plus"), 5);
  EXPECT_EQ(request.integer("absent"), std::nullopt);
  EXPECT_THROW(request.integer("w"), Error);
  EXPECT_TRUE(request.time("since").has_value());
  EXPECT_FALSE(request.time("until").has_value());
  EXPECT_THROW(request.time("bad"), Error);
}

TEST(RequestQuery, DecodesAsGoDoes) {
  const http::Query query = http::Query::parse("names=a%2Fb%3A1&names=c+d&x&=y&&z=1=2");
  EXPECT_EQ(query.all("names"), (std::vector<std::string>{"a/b:1", "c d"}));
  EXPECT_EQ(query.get("x"), "");
  EXPECT_EQ(query.get("z"), "1=2");
  EXPECT_THROW(http::Query::parse("a=%4"), Error);
}

std::string body_error(std::string_view text) {
  try {
    parse_body(text);
  } catch (const Error& error) {
    return error.text();
  }
  return "";
}

TEST(JsonBody, ErrorsReadAsDockers) {
  EXPECT_EQ(body_error("{\"a\":1}"), "");
  EXPECT_EQ(body_error(" {\"a\":1} \n"), "");
  EXPECT_EQ(body_error("  "), "invalid JSON: got EOF while reading request body");
  EXPECT_EQ(body_error("{\"a\":"), "invalid JSON: unexpected EOF");
  EXPECT_EQ(body_error("{\"a\":1} x"), "unexpected content after JSON");
  EXPECT_EQ(body_error("{\"a\":1}{}"), "unexpected content after JSON");
  EXPECT_EQ(body_error("x"), "invalid JSON: invalid character 'x' looking for beginning of value");
  EXPECT_EQ(body_error("{a:1}"), "invalid JSON: invalid character 'a' looking for beginning of object key string");
  EXPECT_EQ(body_error("{\"a\":1 \"b\"}"), "invalid JSON: invalid character '\"' after object key:value pair");
  EXPECT_EQ(body_error(std::string(100, '[')), "invalid JSON: exceeded max depth");
}

}  // namespace
}  // namespace berth::api
