#include "api/server/transfer.h"

#include <gtest/gtest.h>

#include "api/server/fakes_for_test.h"

namespace berth::api {
namespace {

using testing::Api;
using testing::FakeStream;

/// Images whose work happens on a pool, as in the engine.
class Images final : public testing::FakeImages {
 public:
  explicit Images(EventLoop& loop) : pool_(loop, 2) {}

  std::string seen, failure;
  bool says_something = true;

  Task<void> load(std::shared_ptr<ByteSource> archive, std::shared_ptr<ByteSink> progress, bool quiet,
                  std::vector<std::string>) override {
    co_await pool_.run([=, this] {
      read_all(*archive);
      if (says_something) progress->write(quiet ? "{\"stream\":\"q\"}\n" : "{\"stream\":\"v\"}\n");
      if (!failure.empty()) throw invalid(failure);
    });
  }
  Task<void> import(std::shared_ptr<ByteSource> tar, std::shared_ptr<ByteSink> progress,
                    engine::ImportRequest request) override {
    co_await pool_.run([=, this] {
      if (!failure.empty()) throw invalid(failure);
      read_all(*tar);
      progress->write(request.reference);
    });
  }
  Task<void> check_saveable(SaveQuery query) override {
    if (query.names.front() == "unknown") throw not_found("No such image: unknown");
    co_return;
  }
  Task<void> save(SaveQuery query, std::shared_ptr<ByteSink> archive) override {
    co_await pool_.run([=] {
      for (const std::string& name : query.names) archive->write(name);
    });
  }

 private:
  void read_all(ByteSource& source) {
    char buffer[3];
    while (const std::size_t count = source.read(buffer, sizeof buffer)) seen.append(buffer, count);
  }
  async::BlockingPool pool_;
};

class ImageTransfers : public ::testing::Test {
 protected:
  ImageTransfers() { add_image_routes(api_.router, images_, registry_, api_.loop); }
  Api api_;
  Images images_{api_.loop};
  testing::FakeRegistry registry_;
};

TEST_F(ImageTransfers, LoadReadsTheBodyAndStreamsProgress) {
  const FakeStream answer = api_.ask("POST", "/images/load?quiet=0", "archive bytes");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.content_type, "application/json");
  EXPECT_EQ(answer.body, "{\"stream\":\"v\"}\n");
  EXPECT_EQ(images_.seen, "archive bytes");
  EXPECT_EQ(api_.ask("POST", "/images/load", "x").body, "{\"stream\":\"q\"}\n");
}

TEST_F(ImageTransfers, AFailedLoadEndsItsStreamWithTheError) {
  images_.failure = "unexpected EOF";
  const FakeStream answer = api_.ask("POST", "/images/load", "archive");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body,
            "{\"stream\":\"q\"}\n{\"errorDetail\":{\"message\":\"unexpected EOF\"},\"error\":\"unexpected EOF\"}\r\n");
  images_.says_something = false;
  EXPECT_TRUE(api_.ask("POST", "/images/load", "archive").body.starts_with("{\"errorDetail\""));
}

TEST_F(ImageTransfers, ImportNamesItsImage) {
  EXPECT_EQ(api_.ask("POST", "/images/create?fromSrc=-&repo=a/b&tag=1", "tar").body, "a/b:1");
  EXPECT_EQ(api_.ask("POST", "/images/create?fromSrc=-&repo=a", "tar").body, "a");
}

TEST_F(ImageTransfers, AnImportThatFailsAtOnceHasItsOwnStatus) {
  images_.failure = "bad platform";
  const FakeStream answer = api_.ask("POST", "/images/create?fromSrc=-", "tar that nobody reads");
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.body, "{\"message\":\"bad platform\"}\n");
}

TEST_F(ImageTransfers, PullAndPushTakeTheirCredentialsFromTheHeader) {
  const std::vector<http::Header> header{
      {"X-Registry-Auth", "eyJ1c2VybmFtZSI6Im1vYnkiLCJwYXNzd29yZCI6IndoYWxlPz8_In0"}};
  EXPECT_EQ(api_.ask("POST", "/images/create?fromImage=a/b&tag=1&platform=linux/arm64", "", header).body,
            "a/b|1|linux/arm64|moby");
  EXPECT_EQ(api_.ask("POST", "/images/a/b/push?tag=1", "", header).body, "a/b|1|whale???");
  EXPECT_EQ(api_.ask("POST", "/images/create?fromImage=a", "", {{"X-Registry-Auth", "no base64"}}).body, "a|||");
}

TEST_F(ImageTransfers, ImportsFromAnAddress) {
  EXPECT_EQ(api_.ask("POST", "/images/create?fromSrc=http://x/y.tar&repo=a&tag=1").body, "http://x/y.tar|a:1");
}

TEST_F(ImageTransfers, SavesOneOrSeveral) {
  const FakeStream one = api_.ask("GET", "/images/a/b/get");
  EXPECT_EQ(one.content_type, "application/x-tar");
  EXPECT_EQ(one.body, "a/b");
  EXPECT_EQ(api_.ask("GET", "/images/get?names=a&names=b").body, "ab");
  EXPECT_EQ(api_.ask("GET", "/images/get?names=unknown").status, 404);
}

}  // namespace
}  // namespace berth::api
