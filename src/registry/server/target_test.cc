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
  for (const char* path : {"/", "/v1/", "/v2/x", "/v2/tags/list", "/v2/manifests/latest", "/v2/blobs/uploads/", "/v2//",
                           "/v2//blobs/uploads/", "/v2//blobs/uploads", "/v2//blobs/uploads/1", "/v2//blobs/sha256:1",
                           "/v2//manifests/latest", "/v2//tags/list", "/v2//referrers/sha256:1"}) {
    EXPECT_EQ(parse_target(path).kind, Kind::unknown) << path;
  }
}

TEST(Target, OfARepositoryAlwaysNamesOne) {
  for (const char* path : {"/v2/a/blobs/uploads/", "/v2/a/blobs/uploads/1", "/v2/a/blobs/sha256:1", "/v2/a/manifests/t",
                           "/v2/a/tags/list", "/v2/a/referrers/sha256:1", "/v2///manifests/t"}) {
    const Target target = parse_target(path);
    EXPECT_TRUE(has_repository(target.kind)) << path;
    EXPECT_FALSE(target.repository.empty()) << path;
  }
  for (const char* path : {"/v2/", "/v2/_catalog", "/metrics", "/token", "/v2//tags/list"}) {
    EXPECT_FALSE(has_repository(parse_target(path).kind)) << path;
  }
}

}  // namespace
}  // namespace berth::registry::server
