#include "registry/server/blob_routes.h"

#include "base/core/error.h"
#include "base/core/text.h"
#include "registry/server/catalog_rows.h"
#include "registry/server/errors.h"
#include "registry/server/names.h"
#include "registry/server/ranges.h"

namespace berth::registry::server {

namespace {

/// A blob that isn't here (null: now it is) and comes from the registry that this one is a cache of, for those who want
/// it from its beginning; others wait until it is here.
Task<std::shared_ptr<Proxy::Flight>> missing_blob(Store& store, const Target& target, const http::Request& request) {
  std::shared_ptr<Proxy::Flight> flight = co_await store.proxy->fetch_blob(target.repository, target.reference);
  if (flight && request.method == "GET" && request.header("range")) {
    co_await Proxy::wait_for_end(flight);
    if (store.catalog.find_blob(target.repository, target.reference)) co_return nullptr;
    // It came for another repository at the same time.
    flight = co_await store.proxy->fetch_blob(target.repository, target.reference);
  }
  co_return flight;
}

/// Who asks whether a blob is here won't push it: it must still be here when its manifest comes, and be whole. What was
/// lost is unknown, so that it comes again.
Task<void> promise_blob(Store& store, const Target& target, std::uint64_t size) {
  if (!store.files.has(target.reference, size)) throw blob_unknown();
  if (store.grace_seconds == 0 || store.proxy != nullptr) co_return;
  bool there = true;
  try {
    there =
        co_await store.catalog.renew_blob(target.repository, target.reference, seconds_now() - store.grace_seconds / 2);
  } catch (const Error& error) {  // a full disk; what is here can be read all the same
    if (error.kind() == ErrorKind::cancelled) throw;
  }
  if (!there) throw blob_unknown();
}

Task<void> send_blob(Store& store, const Target& target, const http::Request& request, http::ResponseStream& out) {
  if (!is_digest(target.reference)) throw Refusal{400, "DIGEST_INVALID", "invalid digest"};
  std::shared_ptr<Proxy::Flight> flight;
  std::optional<std::uint64_t> size = store.catalog.find_blob(target.repository, target.reference);
  const bool elsewhere = !size && store.proxy != nullptr;
  if (elsewhere && request.method == "HEAD") {
    size = co_await store.proxy->find_size(target.repository, target.reference);
  } else if (elsewhere) {
    flight = co_await missing_blob(store, target, request);
    size = flight ? Proxy::size_of(*flight) : store.catalog.find_blob(target.repository, target.reference);
  }
  if (!size) throw blob_unknown();
  if (request.method == "HEAD" && !elsewhere) co_await promise_blob(store, target, *size);
  http::Response head{.status = 200,
                      .content_type = "application/octet-stream",
                      .body = {},
                      .headers = {{"Docker-Content-Digest", target.reference},
                                  {"Accept-Ranges", "bytes"},
                                  {"Cache-Control", "max-age=31536000"},
                                  {"ETag", cat("\"", target.reference, "\"")}}};
  if (names_etag(request.header("if-none-match").value_or(""), cat("\"", target.reference, "\""))) {
    head.status = 304;
    head.content_type.clear();
    co_await out.send(std::move(head));
    co_return;
  }
  if (flight) {
    co_await Proxy::stream(flight, std::move(head), out);
    co_return;
  }
  if (elsewhere && request.method == "HEAD") {
    co_await out.begin_sized(std::move(head), *size);
    co_return;
  }
  ByteRange range{.first = 0, .size = *size};
  if (const auto asked = request.header("range"); asked && request.method == "GET") {
    if (const auto parsed = parse_range(*asked, *size)) {
      range = *parsed;
      head.status = 206;
      head.headers.push_back(
          {"Content-Range", cat("bytes ", range.first, "-", range.first + range.size - 1, "/", *size)});
    }
  }
  const std::optional<sys::UniqueFd> file = store.files.open(target.reference);
  if (!file) throw system_error(cat("blob ", target.reference, " is missing on the disk; push it again"));
  co_await out.send_file(std::move(head), *file, range.first, range.size);
}

http::Response created(const std::string& repository, const std::string& digest) {
  http::Response response = http::Response::empty(201);
  response.headers = {{"Location", cat("/v2/", repository, "/blobs/", digest)}, {"Docker-Content-Digest", digest}};
  return response;
}

http::Response progress(int status, const std::string& repository, const std::string& id, std::uint64_t size) {
  http::Response response = http::Response::empty(status);
  response.headers = {{"Location", cat("/v2/", repository, "/blobs/uploads/", id)},
                      {"Range", cat("0-", size == 0 ? 0 : size - 1)},
                      {"Docker-Upload-UUID", id}};
  return response;
}

http::Response progress(int status, const std::string& repository, const BlobFiles::Upload& upload) {
  return progress(status, repository, upload.id(), upload.size());
}

}  // namespace

void check_position(const http::Request& request, const BlobFiles::Upload& upload) {
  const auto range = request.header("content-range");
  if (!range) return;
  if (chunk_start(*range) != upload.size()) throw Refusal{416, "RANGE_INVALID", "invalid content range"};
}

namespace {

Task<void> finish(Store& store, const std::string& repository, Uploads::Hold& hold, const std::string& digest,
                  http::ResponseStream& out) {
  const std::shared_ptr<BlobFiles::Upload> upload = hold.upload();
  std::optional<Refusal> refusal;
  if (!is_digest(digest)) {
    refusal = Refusal{400, "DIGEST_INVALID", "invalid digest"};
  } else if (co_await store.uploads.seal(hold, archive::algorithm_of(digest)) != digest) {
    refusal = digest_invalid();
  }
  if (refusal) {
    co_await store.uploads.drop(hold);
    throw *refusal;
  }
  std::exception_ptr failure;
  try {
    co_await store.catalog.add_blob(repository, digest, upload);
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) {
    co_await store.uploads.drop(hold);  // unless it has its name already
    std::rethrow_exception(failure);
  }
  co_await out.send(created(repository, digest));
}

}  // namespace

Task<bool> answer_blob(Store& store, const Target& target, const http::Request& request, http::ResponseStream& out) {
  if (request.method == "GET" || request.method == "HEAD") {
    co_await send_blob(store, target, request, out);
    co_return true;
  }
  if (request.method != "DELETE") co_return false;
  if (!is_digest(target.reference)) throw Refusal{400, "DIGEST_INVALID", "invalid digest"};
  if (!co_await store.catalog.remove_blob(target.repository, target.reference)) throw blob_unknown();
  co_await out.send(http::Response::empty(202));
  co_return true;
}

Task<void> start_upload(Store& store, const Caller& caller, const std::string& repository, const http::Request& request,
                        http::ResponseStream& out) {
  const http::Query query = http::Query::parse(request.query_text);
  if (const std::string digest = query.text("mount"); !digest.empty()) {
    const std::string from = query.text("from");
    if (!is_digest(digest)) throw Refusal{400, "DIGEST_INVALID", "invalid digest"};
    // Nobody gets to see in this way what they may not read where it is.
    const bool readable = from.empty() ? caller.reads_all() : caller.may(from).pull;
    if (readable && co_await store.catalog.mount_blob(repository, digest, from)) {
      co_await out.send(created(repository, digest));
      co_return;
    }
  }
  const std::string digest = query.text("digest");
  // Who doesn't say it before pays for it: the file is hashed again at the end.
  const auto algorithm = archive::algorithm_of(digest.empty() ? cat(query.text("digest-algorithm"), ":") : digest);
  const std::unique_ptr<Uploads::Hold> hold = co_await store.uploads.start(repository, algorithm);
  if (!digest.empty()) {
    co_await store.uploads.append(*hold, *request.body, store.quota_bytes);
    co_await finish(store, repository, *hold, digest, out);
    co_return;
  }
  http::Response response = progress(202, repository, *hold->upload());
  response.headers.push_back({"OCI-Chunk-Min-Length", "1"});
  co_await out.send(std::move(response));
}

Task<bool> answer_upload(Store& store, const Target& target, const http::Request& request, http::ResponseStream& out) {
  const std::string& method = request.method;
  if (method != "GET" && method != "HEAD" && method != "PATCH" && method != "PUT" && method != "DELETE") {
    co_return false;
  }
  if (method == "GET" || method == "HEAD") {
    const std::uint64_t size = co_await store.uploads.find_size(target.reference, target.repository);
    co_await out.send(progress(204, target.repository, target.reference, size));
    co_return true;
  }
  const std::unique_ptr<Uploads::Hold> hold = co_await store.uploads.take(target.reference, target.repository);
  if (method == "DELETE") {
    co_await store.uploads.drop(*hold);
    co_await out.send(http::Response::empty(204));
    co_return true;
  }
  check_position(request, *hold->upload());
  co_await store.uploads.append(*hold, *request.body, store.quota_bytes);
  if (method == "PATCH") {
    co_await out.send(progress(202, target.repository, *hold->upload()));
    co_return true;
  }
  const std::string digest = http::Query::parse(request.query_text).text("digest");
  co_await finish(store, target.repository, *hold, digest, out);
  co_return true;
}

}  // namespace berth::registry::server
