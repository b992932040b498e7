#include "registry/client/neighbour.h"

#include <gtest/gtest.h>

namespace berth::registry::neighbour {
namespace {

constexpr std::string_view kName = "0123456789abcdef0123456789abcdef";

TEST(Neighbour, ANameIsAFileInTheFolder) {
  EXPECT_EQ(socket_path("/run/x", kName), "/run/x/0123456789abcdef0123456789abcdef.sock");
}

TEST(Neighbour, WhatIsNoNameIsNowhere) {
  for (const std::string_view name :
       {"", "0123", "../../../../etc/0123456789abcdef", "0123456789abcdef0123456789abcde/",
        "0123456789ABCDEF0123456789ABCDEF", "0123456789abcdef0123456789abcdef0"}) {
    EXPECT_EQ(socket_path("/run/x", name), std::nullopt) << name;
  }
}

TEST(Neighbour, WithoutAFolderThereAreNone) { EXPECT_EQ(socket_path("", kName), std::nullopt); }

TEST(Neighbour, NobodyThereIsNoFailure) {
  EXPECT_FALSE(ask("/no/such/folder/x.sock", {.url = parse_url("http://127.0.0.1/v2/")}));
}

}  // namespace
}  // namespace berth::registry::neighbour
