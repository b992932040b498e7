#include "registry/server/upload_id.h"

#include "archive/digest.h"
#include "base/core/text.h"

namespace berth::registry::server {

namespace {

constexpr std::size_t kRandomBytes = 16, kBindingDigits = 16;

std::string binding_of(std::string_view random, std::string_view repository) {
  return archive::sha256(cat(random, " ", repository)).substr(7, kBindingDigits);
}

}  // namespace

std::string new_upload_id(std::string_view repository) {
  const std::string random = random_hex(kRandomBytes);
  return cat(random, "-", binding_of(random, repository));
}

bool is_upload_id(std::string_view text, std::string_view repository) {
  const std::size_t dash = text.find('-');
  if (dash != 2 * kRandomBytes || !is_hex(text.substr(0, dash))) return false;
  return text.substr(dash + 1) == binding_of(text.substr(0, dash), repository);
}

}  // namespace berth::registry::server
