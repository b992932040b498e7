#include "registry/server/manifest_routes.h"

#include "base/core/error.h"
#include "base/core/text.h"
#include "registry/server/errors.h"
#include "registry/server/manifest.h"
#include "registry/server/names.h"
#include "registry/server/ranges.h"

namespace berth::registry::server {

namespace {

void check_reference(const std::string& reference) {
  if (reference.find(':') == std::string::npos ? !is_tag(reference) : !is_digest(reference)) {
    throw reference.find(':') == std::string::npos ? Refusal{400, "TAG_INVALID", "manifest tag did not match URI"}
                                                   : Refusal{400, "DIGEST_INVALID", "invalid digest"};
  }
}

Task<void> send_manifest(Store& store, const Target& target, const http::Request& request, http::ResponseStream& out) {
  if (store.proxy != nullptr && (is_tag(target.reference) || is_digest(target.reference))) {
    co_await store.proxy->refresh_manifest(target.repository, target.reference);
  }
  const std::optional<StoredManifest> manifest = store.catalog.find_manifest(target.repository, target.reference);
  if (!manifest) throw store.catalog.has_repository(target.repository) ? manifest_unknown() : name_unknown();
  // Who asks whether it is here pushes it again, if it was lost.
  const bool is_head = request.method == "HEAD";
  if (is_head && !store.files.has(manifest->digest, static_cast<std::uint64_t>(manifest->size))) {
    throw manifest_unknown();
  }
  http::Response head{
      .status = 200,
      .content_type = manifest->media_type,
      .body = {},
      .headers = {{"Docker-Content-Digest", manifest->digest}, {"ETag", cat("\"", manifest->digest, "\"")}}};
  if (names_etag(request.header("if-none-match").value_or(""), cat("\"", manifest->digest, "\""))) {
    head.status = 304;
    head.content_type.clear();
    co_await out.send(std::move(head));
    co_return;
  }
  const std::optional<sys::UniqueFd> file = store.files.open(manifest->digest);
  if (!file) throw system_error(cat("manifest ", manifest->digest, " is missing on the disk; push it again"));
  co_await out.send_file(std::move(head), *file, 0, static_cast<std::uint64_t>(manifest->size));
}

Task<void> put_manifest(Store& store, const Target& target, const http::Request& request, http::ResponseStream& out) {
  if (request.body->length().value_or(0) > kMostManifestBytes) {
    throw Refusal{413, "MANIFEST_INVALID", "the manifest is too large"};
  }
  std::string text = co_await request.body->read_all(kMostManifestBytes);
  NewManifest manifest = read_manifest(std::move(text), request.header("content-type").value_or(""),
                                       archive::algorithm_of(target.reference));
  const bool by_digest = is_digest(target.reference);
  if (by_digest && manifest.digest != target.reference) throw digest_invalid();
  http::Response response = http::Response::empty(201);
  response.headers = {{"Location", cat("/v2/", target.repository, "/manifests/", manifest.digest)},
                      {"Docker-Content-Digest", manifest.digest}};
  if (!manifest.subject.empty()) response.headers.push_back({"OCI-Subject", manifest.subject});
  co_await store.catalog.put_manifest(target.repository, by_digest ? "" : target.reference, std::move(manifest),
                                      store.tag_rule);
  co_await out.send(std::move(response));
}

/// An immutable tag would else be deleted and given anew.
Task<void> remove_manifest(Store& store, const Target& target, http::ResponseStream& out) {
  const bool by_digest = is_digest(target.reference);
  if (!by_digest && store.tag_rule == Catalog::TagRule::immutable_tags) throw tags_are_immutable();
  const bool removed = by_digest
                           ? co_await store.catalog.remove_manifest(target.repository, target.reference, store.tag_rule)
                           : co_await store.catalog.remove_tag(target.repository, target.reference);
  if (!removed) throw manifest_unknown();
  co_await out.send(http::Response::empty(202));
}

}  // namespace

Task<bool> answer_manifest(Store& store, const Target& target, const http::Request& request,
                           http::ResponseStream& out) {
  const std::string& method = request.method;
  if (method != "GET" && method != "HEAD" && method != "PUT" && method != "DELETE") co_return false;
  // What can't exist is not found, for those who only look.
  if (method == "PUT") check_reference(target.reference);
  if (method == "PUT")
    co_await put_manifest(store, target, request, out);
  else if (method == "DELETE")
    co_await remove_manifest(store, target, out);
  else
    co_await send_manifest(store, target, request, out);
  co_return true;
}

}  // namespace berth::registry::server
