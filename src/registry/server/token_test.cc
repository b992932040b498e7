#include "registry/server/token.h"

#include <gtest/gtest.h>

#include "base/core/error.h"
#include "base/sys/file.h"

namespace berth::registry::server {
namespace {

TokenClaims claims() {
  TokenClaims claims;
  claims.issuer = "i";
  claims.subject = "moby";
  claims.audience.text = "\"here\"";
  claims.expires = 2'000'000'000;
  claims.access = {{.name = "team/app", .actions = {"pull", "push"}}};
  return claims;
}

TEST(Token, WhatWasSignedIsRead) {
  const sys::TemporaryDir folder{"/tmp"};
  const SigningKey key = SigningKey::open(folder.path() + "/key");
  const std::string token = key.sign(claims());
  // The same key from its file.
  const VerifyingKeys keys{SigningKey::open(folder.path() + "/key").key()};
  const auto read = keys.verify(token);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->subject, "moby");
  EXPECT_TRUE(read->is_for("here"));
  EXPECT_FALSE(read->is_for("there"));
  EXPECT_EQ(read->may("team/app"), (Actions{.pull = true, .push = true}));
  EXPECT_TRUE(read->may("team").none());
  EXPECT_FALSE(read->may_list());
}

TEST(Token, AnythingElseIsNotTaken) {
  const sys::TemporaryDir folder{"/tmp"};
  const SigningKey key = SigningKey::open(folder.path() + "/key"), other = SigningKey::open(folder.path() + "/other");
  const VerifyingKeys keys{key.key()};
  const std::string token = key.sign(claims());
  EXPECT_FALSE(keys.verify(other.sign(claims())));
  for (std::size_t at = 0; at < token.size() - 1; ++at) {  // the last digit has bits that mean nothing
    std::string changed = token;
    changed[at] = changed[at] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(keys.verify(changed)) << at;
  }
  const std::string body = token.substr(token.find('.'), token.rfind('.') - token.find('.') + 1);
  EXPECT_FALSE(keys.verify("eyJhbGciOiJub25lIn0" + body));  // {"alg":"none"}
  for (const char* text : {"", ".", "..", "a.b.c", "....", "e30.e30.e30"}) EXPECT_FALSE(keys.verify(text)) << text;
}

TEST(Token, AnAudienceMayBeAList) {
  TokenClaims many = claims();
  many.audience.text = R"(["there","here"])";
  EXPECT_TRUE(many.is_for("here"));
  many.audience.text = "7";
  EXPECT_FALSE(many.is_for("here"));
}

TEST(Token, Scopes) {
  const auto grants = parse_scope("repository:team/app:pull,push repository(plugin):x:* nonsense registry:catalog:*");
  ASSERT_EQ(grants.size(), 3U);
  EXPECT_EQ(grants[0].name, "team/app");
  EXPECT_EQ(grants[0].actions, (std::vector<std::string>{"pull", "push"}));
  EXPECT_EQ(grants[1].type, "repository");
  EXPECT_EQ(grants[2].type, "registry");
  EXPECT_TRUE(parse_scope("").empty());
}

TEST(Token, KeysOfOthersArePem) { EXPECT_THROW(VerifyingKeys{"-----BEGIN NOTHING-----"}, Error); }

}  // namespace
}  // namespace berth::registry::server
