#include "engine/image_changes.h"

#include <gtest/gtest.h>

#include "base/core/error.h"
#include "engine/go_duration.h"
#include "engine/image_filter.h"

namespace berth::engine {
namespace {

using Strings = std::vector<std::string>;

std::string error_of(const Strings& changes) {
  try {
    apply_changes({}, changes);
  } catch (const Error& error) {
    return error.text();
  }
  return "none";
}

TEST(ImageChanges, CommandsInBothForms) {
  EXPECT_EQ(apply_changes({}, {R"(CMD ["sh", "-l"])"}).cmd.items, (Strings{"sh", "-l"}));
  EXPECT_EQ(apply_changes({}, {"cmd echo hi"}).cmd.items, (Strings{"/bin/sh", "-c", "echo hi"}));
  EXPECT_EQ(apply_changes({}, {R"(SHELL ["bash", "-c"])", "CMD x"}).cmd.items, (Strings{"bash", "-c", "x"}));
}

TEST(ImageChanges, ANewEntrypointForgetsTheOldCommand) {
  oci::ContainerConfig config;
  config.cmd = {{"old"}, true};
  EXPECT_FALSE(apply_changes(config, {"ENTRYPOINT x"}).cmd.given);
  EXPECT_EQ(apply_changes(config, {"CMD [\"new\"]", "ENTRYPOINT x"}).cmd.items, Strings{"new"});
}

TEST(ImageChanges, EnvironmentWithQuotesAndVariables) {
  const auto config =
      apply_changes({}, {"ENV A=1 B=\"two words\" C='$A'", "ENV A=2 D=$A-${B:-x}${Z:-z}", "ENV E all the rest"});
  EXPECT_EQ(config.env, (Strings{"A=2", "B=two words", "C=$A", "D=1-two wordsz", "E=all the rest"}));
}

TEST(ImageChanges, PortsLabelsVolumesPaths) {
  const auto config =
      apply_changes({}, {"EXPOSE 80 53/udp 8000-8001", "LABEL a=b \"c d\"=e", "VOLUME /x /y", "WORKDIR /a",
                         "WORKDIR b/../c", "USER me", "STOPSIGNAL SIGINT", "ONBUILD RUN make"});
  EXPECT_EQ(config.exposed_ports.size(), 4u);
  EXPECT_TRUE(config.exposed_ports.contains("53/udp"));
  EXPECT_EQ(config.labels.at("c d"), "e");
  EXPECT_EQ(config.volumes.size(), 2u);
  EXPECT_EQ(config.working_dir, "/a/c");
  EXPECT_EQ(config.on_build, Strings{"RUN make"});
}

TEST(ImageChanges, HealthChecks) {
  const auto health =
      apply_changes({}, {"HEALTHCHECK --interval=1m30s --retries=3 CMD curl localhost"}).healthcheck.value();
  EXPECT_EQ(health.interval, 90'000'000'000);
  EXPECT_EQ(health.retries, 3);
  EXPECT_EQ(health.test, (Strings{"CMD-SHELL", "curl localhost"}));
  EXPECT_EQ(apply_changes({}, {"HEALTHCHECK NONE"}).healthcheck->test, Strings{"NONE"});
}

TEST(ImageChanges, OthersAreRefused) {
  EXPECT_EQ(error_of({"RUN make"}), "run is not a valid change command");
  EXPECT_EQ(error_of({"ENV"}), "ENV requires at least one argument");
  EXPECT_EQ(error_of({"SHELL bash"}), "SHELL requires the arguments to be in JSON form");
  EXPECT_EQ(error_of({"ONBUILD ONBUILD RUN x"}), "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
}

TEST(GoDuration, AsGoReadsIt) {
  using namespace std::chrono_literals;
  EXPECT_EQ(parse_go_duration("1h2m3.5s"), 1h + 2min + 3500ms);
  EXPECT_EQ(parse_go_duration("-1.5us"), -1500ns);
  EXPECT_EQ(parse_go_duration("0"), 0ns);
  for (const char* text : {"", "1", "s", "1x", ".s", "1.2.3s", "999999999999h"})
    EXPECT_FALSE(parse_go_duration(text)) << text;
}

image::StoredImage stored(const std::string& id, Strings tags, int created, const std::string& parent = "") {
  image::StoredImage image;
  image.id = id;
  image.repo_tags = std::move(tags);
  image.created = Time{std::chrono::seconds{created}};
  image.parent_id = parent;
  return image;
}

Strings ids(const std::vector<image::StoredImage>& images, const char* filters, bool all = false) {
  Strings found;
  const auto created = [&](const std::string& name) {
    for (const auto& image : images)
      if (image.id == name) return image.created;
    return kNever;
  };
  for (const auto& summary : summarize_images(images, {.all = all, .filters = Filters::parse(filters)}, created)) {
    found.push_back(summary.id);
  }
  return found;
}

TEST(ImageList, FiltersAsDockerDoes) {
  const std::vector<image::StoredImage> images{stored("step", {}, 1), stored("a", {"busybox:1", "x/y:2"}, 2, "step"),
                                               stored("dangling", {}, 3), stored("b", {"localhost:5000/z:latest"}, 4)};
  EXPECT_EQ(ids(images, ""), (Strings{"b", "dangling", "a"}));
  EXPECT_EQ(ids(images, "", true), (Strings{"b", "dangling", "a", "step"}));
  EXPECT_EQ(ids(images, R"({"dangling":["true"]})"), Strings{"dangling"});
  EXPECT_EQ(ids(images, R"({"dangling":["false"]})"), (Strings{"b", "a"}));
  EXPECT_EQ(ids(images, R"({"reference":["busybox"]})"), Strings{"a"});
  EXPECT_EQ(ids(images, R"({"reference":["*/*"]})"), (Strings{"b", "a"}));
  EXPECT_EQ(ids(images, R"({"before":["b"],"since":["a"]})"), Strings{"dangling"});
  EXPECT_THROW(ids(images, R"({"nosuch":["1"]})"), Error);
}

TEST(ImagePrune, TakesDanglingOnesUnlessAsked) {
  const std::vector<image::StoredImage> images{stored("step", {}, 1), stored("a", {"busybox:1"}, 2, "step"),
                                               stored("d", {}, 3)};
  const auto names = [&](const Filters& filters) {
    Strings all;
    for (const ChosenImage& image : choose_prunable(images, filters))
      all.insert(all.end(), image.names.begin(), image.names.end());
    return all;
  };
  EXPECT_EQ(names({}), Strings{"d"});
  EXPECT_EQ(names(Filters::parse(R"({"dangling":["false"]})")), (Strings{"busybox:1", "d"}));
}

}  // namespace
}  // namespace berth::engine
