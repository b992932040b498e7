#include <gtest/gtest.h>

#include "network/ipam/address_pool.h"
#include "network/ipam/subnets.h"

namespace berth::network {
namespace {

Cidr cidr(const char* text) { return Cidr::parse(text).value(); }

TEST(Cidr, ReadsOnlyWholeBlocks) {
  EXPECT_EQ(cidr("172.17.0.1/16").network().text(), "172.17.0.0/16");
  EXPECT_EQ(cidr("10.1.2.3/0").last().text(), "255.255.255.255");
  for (const char* wrong :
       {"", "10.0.0.0", "10.0.0.0/33", "10.0.0/8", "10.0.0.256/8", "10.0.0.01/8", "10.0.0.0/-1", "10.0.0.0/8 "}) {
    EXPECT_FALSE(Cidr::parse(wrong)) << wrong;
  }
}

TEST(AddressPool, GivesOneAfterTheOtherAndReusesLate) {
  AddressPool pool{cidr("10.0.0.0/29"), cidr("10.0.0.0/29")};
  EXPECT_TRUE(pool.take(*Ipv4::parse("10.0.0.1")));
  EXPECT_EQ(pool.take_next()->text(), "10.0.0.2");
  pool.give_back(*Ipv4::parse("10.0.0.2"));
  EXPECT_EQ(pool.take_next()->text(), "10.0.0.3") << "a freed address rests";
  for (const char* next : {"10.0.0.4", "10.0.0.5", "10.0.0.6", "10.0.0.2"}) EXPECT_EQ(pool.take_next()->text(), next);
  EXPECT_FALSE(pool.take_next()) << "network and broadcast address are never given";
}

TEST(AddressPool, StaysInItsRangeAndPassesFullStretches) {
  AddressPool pool{cidr("10.0.0.0/16"), cidr("10.0.4.0/23")};
  for (int i = 0; i < 512; ++i) ASSERT_EQ(pool.take_next()->value, cidr("10.0.4.0/23").first().value + i);
  EXPECT_FALSE(pool.take_next());
  pool.give_back(*Ipv4::parse("10.0.5.77"));
  EXPECT_EQ(pool.take_next()->text(), "10.0.5.77");
}

TEST(AddressLease, GivesBackAtItsEnd) {
  const auto pool = std::make_shared<AddressPool>(cidr("10.0.0.0/30"), cidr("10.0.0.0/30"));
  {
    const AddressLease lease{pool, *pool->take_next()};
  }
  EXPECT_TRUE(pool->take(*Ipv4::parse("10.0.0.1")));
}

TEST(ChooseSubnet, TakesTheFirstOfDockersPoolsThatTheHostDoesNotUse) {
  EXPECT_EQ(choose_subnet({})->text(), "172.17.0.0/16");
  EXPECT_EQ(choose_subnet({cidr("172.17.0.0/16"), cidr("172.18.3.0/24"), cidr("0.0.0.0/1")})->text(), "172.19.0.0/16");
  EXPECT_EQ(choose_subnet({cidr("172.16.0.0/12"), cidr("192.168.1.0/24")})->text(), "192.168.16.0/20");
  EXPECT_FALSE(choose_subnet({cidr("172.16.0.0/12"), cidr("192.168.0.0/16")}));
}

}  // namespace
}  // namespace berth::network
