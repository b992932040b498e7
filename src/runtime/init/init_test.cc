#include <gtest/gtest.h>

#include "base/core/error.h"
#include "runtime/init/capabilities.h"
#include "runtime/init/users.h"

namespace berth::runtime::init {
namespace {

constexpr std::string_view kPasswd =
    "root:x:0:0:root:/root:/bin/sh\n# comment\n\nbroken\nwww:x:33:34:www:/var/www:/bin/sh\n4000:x:12:13::/odd:\n";
constexpr std::string_view kGroup = "root:x:0:\nwww:x:34:\nextra:x:77:other,www\nmore:x:78:www\nbad:x:zz:www\n";

std::string refusal(std::string_view user, const std::vector<std::string>& groups = {}) {
  try {
    find_identity(user, groups, kPasswd, kGroup);
    return "accepted";
  } catch (const Error& error) {
    return error.text();
  }
}

TEST(FindIdentity, NobodyNamedIsRoot) {
  const Identity identity = find_identity("", {}, kPasswd, kGroup);
  EXPECT_EQ(identity.uid, 0U);
  EXPECT_EQ(identity.groups, (std::vector<gid_t>{0}));
  EXPECT_EQ(identity.home, "/root");
}

TEST(FindIdentity, ANameBringsItsGroups) {
  const Identity identity = find_identity("www", {}, kPasswd, kGroup);
  EXPECT_EQ(identity.uid, 33U);
  EXPECT_EQ(identity.gid, 34U);
  EXPECT_EQ(identity.groups, (std::vector<gid_t>{34, 77, 78}));
  EXPECT_EQ(identity.home, "/var/www");
}

TEST(FindIdentity, AnExplicitGroupReplacesThem) {
  const Identity identity = find_identity("33:extra", {"5", "more"}, kPasswd, kGroup);
  EXPECT_EQ(identity.gid, 77U);
  EXPECT_EQ(identity.groups, (std::vector<gid_t>{5, 77, 78}));
}

TEST(FindIdentity, UnknownNumbersAreTaken) {
  const Identity identity = find_identity("5555:6666", {}, kPasswd, kGroup);
  EXPECT_EQ(identity.uid, 5555U);
  EXPECT_EQ(identity.gid, 6666U);
  EXPECT_EQ(identity.groups, (std::vector<gid_t>{6666}));
  EXPECT_EQ(identity.home, "/");
}

TEST(FindIdentity, ANumberMayBeAName) { EXPECT_EQ(find_identity("4000", {}, kPasswd, kGroup).uid, 12U); }

TEST(FindIdentity, UnknownNamesAreRefusedInDockersWords) {
  EXPECT_EQ(refusal("x"), "unable to find user x: no matching entries in passwd file");
  EXPECT_EQ(refusal("www:x"), "unable to find group x: no matching entries in group file");
  EXPECT_EQ(refusal("www", {"x"}), "unable to find group x: no matching entries in group file");
  EXPECT_EQ(refusal("-1"), "uids and gids must be in range 0-2147483647");
  EXPECT_EQ(refusal("99999999999"), "uids and gids must be in range 0-2147483647");
}

TEST(Capabilities, NamesHaveTheKernelsNumbers) {
  EXPECT_EQ(capability_number("CAP_CHOWN"), 0);
  EXPECT_EQ(capability_number("CAP_SYS_ADMIN"), 21);
  EXPECT_EQ(capability_number("CAP_CHECKPOINT_RESTORE"), 40);
  EXPECT_FALSE(capability_number("CAP_NOSUCH"));
}

TEST(Capabilities, UnknownNamesAreIgnored) {
  EXPECT_EQ(capability_sets({.bounding = {"CAP_KILL", "CAP_NOSUCH"}}).bounding, 1U << 5);
}

}  // namespace
}  // namespace berth::runtime::init
