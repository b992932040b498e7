#pragma once

#include <cstdint>
#include <exception>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/core/text.h"
#include "base/http/message.h"

namespace berth::registry::server {

/// What a client is told. Spec: distribution-spec v1.1, "Error Codes".
class Refusal : public std::exception {
 public:
  Refusal(int status, std::string_view code, std::string message)
      : status_(status), code_(code), message_(std::move(message)) {}
  int status() const { return status_; }
  const char* what() const noexcept override { return message_.c_str(); }
  http::Response response() const;  ///< {"errors":[{"code":…,"message":…}]}
  Refusal with(http::Header header) && {
    headers_.push_back(std::move(header));
    return std::move(*this);
  }

 private:
  int status_;
  std::string_view code_;  ///< a literal
  std::string message_;
  std::vector<http::Header> headers_;
};

inline Refusal blob_unknown() { return {404, "BLOB_UNKNOWN", "blob unknown to registry"}; }
inline Refusal upload_unknown() { return {404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry"}; }
inline Refusal manifest_unknown() { return {404, "MANIFEST_UNKNOWN", "manifest unknown"}; }
inline Refusal name_unknown() { return {404, "NAME_UNKNOWN", "repository name not known to registry"}; }
inline Refusal digest_invalid() { return {400, "DIGEST_INVALID", "provided digest did not match uploaded content"}; }
inline Refusal manifest_invalid(std::string why) { return {400, "MANIFEST_INVALID", std::move(why)}; }
inline Refusal tags_are_immutable() { return {405, "UNSUPPORTED", "tags are immutable here: none is deleted"}; }
inline Refusal quota_exceeded(std::int64_t bytes) {
  return {403, "DENIED", cat("the repository's quota of ", bytes, " bytes is exceeded")};
}

}  // namespace berth::registry::server
