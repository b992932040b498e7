#include "registry/client/blob_upload.h"

#include <algorithm>

#include "base/core/error.h"
#include "base/http_client/escape.h"
#include "registry/client/answer.h"
#include "registry/client/headers.h"

namespace berth::registry {

namespace {
constexpr std::chrono::milliseconds kLongestPause{8'000};
}

/// Into the registry's own file, where that is on this machine.
bool Repository::BlobUpload::start_file() {
  const auto socket = owner_.neighbour();
  if (!socket || !place_.same_origin(owner_.base())) return false;
  auto handover = neighbour::ask(
      *socket,
      owner_.with_authorization({.method = "PATCH", .url = place_, .headers = {{"Content-Range", cat(there_, "-")}}}));
  if (!handover) return false;
  file_ = std::make_unique<neighbour::Upload>(std::move(*handover), there_, owner_.connections_);
  return true;
}

void Repository::BlobUpload::start() {
  if (start_file()) return;
  Call call{
      .method = "PATCH", .url = place_, .headers = {{"Content-Type", "application/octet-stream"}}, .chunked = true};
  owner_.add_authorization(call);
  authorization_ = call.headers.size() > 1 ? call.headers.back().second : "";
  exchange_ =
      owner_.connections_.start(call, place_.scheme == "https" ? owner_.tls_for(place_) : http_client::TlsOptions{});
}

void Repository::BlobUpload::write(std::string_view bytes) {
  if (!exchange_ && !file_) start();
  if (file_) return file_->write(bytes);
  if (!exchange_->send(bytes)) refused(exchange_->receive(false));
}

/// A token may end before a long push does: with another one it goes on, as it does when the registry was busy.
void Repository::BlobUpload::refused(http_client::Reply& reply) {
  const int status = reply.status;
  if (status == 401 && place_.same_origin(owner_.base()) && owner_.authorize(*exchange_, authorization_)) {
    throw Error{ErrorKind::unavailable, "the registry wants another token"};
  }
  Error failure = failure_of(reply);
  const bool passing = is_passing(status) || (status >= 200 && status < 300);
  throw Error{passing ? ErrorKind::unavailable : failure.kind(), failure.text()};
}

std::uint64_t Repository::BlobUpload::resume() {
  exchange_.reset();
  file_.reset();
  owner_.connections_.pause(pause_);
  pause_ = std::min(pause_ * 2, kLongestPause);
  const auto state = owner_.ask({.url = place_});
  http_client::Reply& reply = state->reply();
  if (reply.status != 204 && reply.status != 202 && reply.status != 200) throw failure_of(reply);
  const auto there = parse_upload_range(reply.header("range"));
  if (!reply.header("location").empty()) place_ = location_of(*state, reply);
  if (!there) throw Error{ErrorKind::unavailable, "the registry has nothing of the upload"};
  return there_ = *there;
}

void Repository::BlobUpload::finish(const std::string& digest) {
  if (!exchange_ && !file_) start();
  name(file_ ? finish_file() : finish_body(), digest);
}

Url Repository::BlobUpload::finish_file() {
  file_->finish();
  file_.reset();
  return place_;
}

Url Repository::BlobUpload::finish_body() {
  exchange_->end_body();  // if it has answered already, that is seen now
  http_client::Reply& reply = exchange_->receive(false);
  if (reply.status != 202 && reply.status != 204 && reply.status != 201) refused(reply);
  Url last = location_of(*exchange_, reply);
  exchange_.reset();
  return last;
}

void Repository::BlobUpload::name(const Url& last, const std::string& digest) {
  Url url = last;
  url.target += cat(url.target.find('?') == std::string::npos ? "?" : "&", "digest=", http_client::escape_url(digest));
  std::string failed;
  const auto put = owner_.ask({.method = "PUT", .url = url}, Repository::Tries::several, nullptr, &failed);
  const int status = put->reply().status;
  if (status == 201 || status == 204) return;
  // When only the answer was lost, the upload is gone because the blob is there.
  const Error failure = failure_of(put->reply());
  if (status != 404) throw failure;
  if (owner_.has_blob(digest)) return;
  // The try that failed took the upload with it; another one may do better.
  if (!failed.empty()) throw Error{ErrorKind::unavailable, failed};
  throw failure;
}

}  // namespace berth::registry
