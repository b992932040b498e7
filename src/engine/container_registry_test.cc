#include "engine/container_registry.h"

#include <gtest/gtest.h>

#include "base/core/error.h"

namespace berth::engine {
namespace {

struct Registry : ::testing::Test {
  EventLoop loop;
  ContainerRegistry registry;
  void add(const std::string& id, const std::string& name) {
    container::Record record;
    record.id = id;
    record.name = name;
    registry.reserve(name, id);
    registry.add(std::make_shared<Container>(loop, record));
  }
  std::string problem(std::string_view name) {
    try {
      (void)registry.get(name);
    } catch (const Error& error) {
      return error.text();
    }
    return "";
  }
};

TEST_F(Registry, FindsByIdNameAndPrefix) {
  add("4f2a91c0", "web");
  EXPECT_EQ(registry.get("4f2a91c0")->id(), "4f2a91c0");
  EXPECT_EQ(registry.get("web")->id(), "4f2a91c0");
  EXPECT_EQ(registry.get("/web")->id(), "4f2a91c0");
  EXPECT_EQ(registry.get("4f")->id(), "4f2a91c0");
}

TEST_F(Registry, SaysWhatIsWrongInDockersWords) {
  add("4f2a91c0", "web");
  add("4f77", "db");
  EXPECT_EQ(problem("nope"), "No such container: nope");
  EXPECT_EQ(problem("4f"), "multiple IDs found with provided prefix: 4f");
  try {
    registry.reserve("web", "new");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::conflict);
    EXPECT_EQ(error.text(),
              "Conflict. The container name \"/web\" is already in use by container \"4f2a91c0\". You have to remove "
              "(or rename) that container to be able to reuse that name.");
  }
}

TEST_F(Registry, PrefersANameToAnIdsBeginning) {
  add("4f2a91c0", "web");
  add("77aa", "4f");
  EXPECT_EQ(registry.get("4f")->id(), "77aa");
}

TEST_F(Registry, GivesNamesBack) {
  add("4f2a91c0", "web");
  registry.remove(*registry.get("web"));
  registry.reserve("web", "new");
  EXPECT_EQ(registry.find("web"), nullptr);  // reserved by one that is not there yet
  registry.release("web", "other");
  EXPECT_THROW(registry.reserve("web", "third"), Error);
}

TEST_F(Registry, MakesUpNamesThatAreFree) {
  const std::string first = registry.reserve_random("a"), second = registry.reserve_random("b");
  EXPECT_NE(first, second);
  EXPECT_NE(first.find('_'), std::string::npos);
}

}  // namespace
}  // namespace berth::engine
