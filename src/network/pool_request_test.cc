#include "network/pool_request.h"

#include <gtest/gtest.h>

#include "base/core/error.h"

namespace berth::network {
namespace {

std::string error_of(const PoolRequest& pool) {
  try {
    validate_pools({pool});
  } catch (const Error& error) {
    return error.text();
  }
  return "";
}

TEST(ValidatePools, TakesWhatMakesSense) {
  EXPECT_EQ(error_of({}), "");
  EXPECT_EQ(error_of({.subnet = "10.1.0.0/16",
                      .ip_range = "10.1.5.0/24",
                      .gateway = "10.1.5.254",
                      .aux_addresses = {{"router", "10.1.0.9"}}}),
            "");
  EXPECT_EQ(error_of({.subnet = "fd00::/64"}), "");
}

TEST(ValidatePools, SaysEverythingThatIsWrongInDockersWords) {
  EXPECT_EQ(error_of({.subnet = "10.0.0.0/33"}),
            "invalid network config:\ninvalid subnet 10.0.0.0/33: invalid CIDR block notation");
  EXPECT_EQ(error_of({.subnet = "10.1.2.3/16", .ip_range = "10.2.0.0/24", .gateway = "10.3.0.1"}),
            "invalid network config:\ninvalid subnet 10.1.2.3/16: it should be 10.1.0.0/16\n"
            "invalid ip-range 10.2.0.0/24: parent subnet 10.1.2.3/16 doesn't contain ip-range\n"
            "invalid gateway 10.3.0.1: parent subnet 10.1.2.3/16 doesn't contain this address");
  EXPECT_EQ(error_of({.subnet = "10.1.0.0/16", .gateway = "fd00::1"}),
            "invalid network config:\ninvalid gateway fd00::1: parent subnet is an IPv4 block");
  EXPECT_EQ(
      error_of({.subnet = "10.1.0.0/24", .ip_range = "10.1.0.0/16"}),
      "invalid network config:\ninvalid ip-range 10.1.0.0/16: CIDR block is bigger than its parent subnet 10.1.0.0/24");
}

}  // namespace
}  // namespace berth::network
