#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace berth::oci {

/// The name of an image: "busybox", "localhost:5000/team/app:1.2", "debian@sha256:…". Held in its full form
/// (docker.io/library/busybox), shown in the familiar one (busybox).
/// Spec: distribution/reference, "Grammar"; the defaults (docker.io, library/) are Docker's.
struct Reference {
  std::string domain, path;
  std::string tag, digest;  ///< "" when absent

  std::string name() const;            ///< domain and path
  std::string familiar_name() const;   ///< without docker.io/ and library/
  std::string full() const;            ///< name with tag and digest: the key of tag tables
  std::string familiar() const;        ///< familiar name with tag and digest
  Reference with_default_tag() const;  ///< with :latest unless there is a tag or digest
  bool operator==(const Reference&) const = default;
};

/// Throws invalid with Docker's texts: "invalid reference format", "invalid reference format: repository name (…) must
/// be lowercase", "invalid repository name (…), cannot specify 64-byte hexadecimal strings".
Reference parse_reference(std::string_view text);
std::optional<Reference> try_parse_reference(std::string_view text);

/// A tag alone; throws invalid "invalid tag format".
void check_tag(std::string_view tag);

}  // namespace berth::oci
