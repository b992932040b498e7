#include "registry/server/target.h"

#include <gtest/gtest.h>

namespace berth::registry::server {
namespace {

using Kind = Target::Kind;

TEST(Target, IsReadFromTheEndOfThePath) {
  const Target upload = parse_target("/v2/a/b/blobs/uploads/123");
  EXPECT_EQ(upload.kind, Kind::upload);
  EXPECT_EQ(upload.repository, "a/b");
  EXPECT_EQ(upload.reference, "123");
  EXPECT_EQ(parse_target("/v2/a/blobs/uploads/").kind, Kind::uploads);
  EXPECT_EQ(parse_target("/v2/a/blobs/uploads").kind, Kind::uploads);
  EXPECT_EQ(parse_target("/v2/a/blobs/sha256:1").kind, Kind::blob);
  EXPECT_EQ(parse_target("/v2/manifests/manifests/latest").repository, "manifests");
  EXPECT_EQ(parse_target("/v2/a/tags/list").kind, Kind::tags);
  EXPECT_EQ(parse_target("/v2/a/referrers/sha256:1").kind, Kind::referrers);
  EXPECT_EQ(parse_target("/v2/_catalog").kind, Kind::catalog);
  EXPECT_EQ(parse_target("/v2/").kind, Kind::base);
}

TEST(Target, WithoutARepositoryIsNone) {
  for (const char* path :
       {"/", "/v1/", "/v2/x", "/v2/tags/list", "/v2/manifests/latest", "/v2/blobs/uploads/", "/v2//"}) {
    EXPECT_EQ(parse_target(path).kind, Kind::unknown) << path;
  }
}

}  // namespace
}  // namespace berth::registry::server
