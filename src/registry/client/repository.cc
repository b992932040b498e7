#include "registry/client/repository.h"

#include <algorithm>
#include <cerrno>

#include "base/core/error.h"
#include "base/http_client/escape.h"
#include "base/json/json.h"
#include "registry/client/answer.h"
#include "registry/client/blob_reader.h"
#include "registry/client/blob_upload.h"
#include "registry/client/challenge.h"
#include "registry/client/headers.h"
#include "registry/client/neighbour.h"
#include "registry/client/token.h"

namespace berth::registry {

namespace {

constexpr std::string_view kHub = "registry-1.docker.io";
constexpr int kMostRedirects = 10;
constexpr std::size_t kMostPages = 1000, kMostListBytes = 64 << 20;
constexpr std::size_t kManifestLimit = 4 << 20;  // distribution-spec: 4 MiB
constexpr std::chrono::milliseconds kFirstPause{200}, kLongestPause{8'000}, kTokenPatience{15'000};

constexpr std::string_view kManifestTypes =
    "application/vnd.docker.distribution.manifest.v2+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, "
    "application/vnd.docker.distribution.manifest.v1+prettyjws, application/json";

struct TagList {
  std::vector<std::string> tags;
  static void describe(auto& self, auto&& field) { field("tags", self.tags); }
};

/// A line that was cut, silence, a token server that is busy. Nobody there at all is an answer.
bool is_passing(const Error& error) {
  if (error.error_number() == EAGAIN) return true;
  if (error.kind() != ErrorKind::unavailable || error.error_number() == ECONNREFUSED) return false;
  return error.text().find("lookup") == std::string::npos && error.text().find("tls:") == std::string::npos;
}

}  // namespace

Repository::Repository(Policy policy, std::string domain, std::string path, Credentials credentials, Access access,
                       Patience patience)
    : policy_(std::move(policy)),
      authority_(domain == "docker.io" ? std::string{kHub} : std::move(domain)),
      path_(std::move(path)),
      credentials_(std::move(credentials)),
      access_(access),
      most_tries_(patience == Patience::short_ ? 1 : policy_.attempts),
      connections_(policy_.proxies, policy_.silence) {
  if (authority_.find("://") == std::string::npos) return;
  const Url mirror = parse_url(cat(authority_, "/v2/"));
  authority_ = mirror.authority;
  base_ = mirror;
}

Repository::~Repository() = default;

// ---- Asking ----

http_client::TlsOptions Repository::tls_for(const Url& url) const {
  http_client::TlsOptions tls = tls_options(policy_, url.authority);
  if (is_insecure(policy_, url.authority, url.host)) tls.verify = false;
  return tls;
}

Url Repository::base() {
  const std::lock_guard lock{mutex_};
  std::chrono::milliseconds pause = kFirstPause;
  for (int left = most_tries_ - 1; !base_; --left) {
    try {
      base_ = find_base();
    } catch (const Error& error) {
      if (left == 0 || !is_passing(error) || error.error_number() == ETIMEDOUT) throw;
      connections_.pause(pause);
      pause = std::min(pause * 2, kLongestPause);
    }
  }
  return *base_;
}

/// A registry that may be insecure is tried with TLS first and without it then, as dockerd does.
Url Repository::find_base() {
  const Url https = parse_url(cat("https://", authority_, "/v2/"));
  if (!is_insecure(policy_, authority_, https.host)) return https;
  const Url http = parse_url(cat("http://", authority_, "/v2/"));
  try {
    connections_.start({.url = https}, tls_for(https))->receive(false);
    return https;
  } catch (const Error& secure) {
    if (secure.kind() == ErrorKind::cancelled) throw;
    try {
      connections_.start({.url = http}, {})->receive(false);
      return http;
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::cancelled || error.text().ends_with("EOF")) throw;
      // Which of the two is the reason? That TLS was answered by something else means that plain was right.
      const bool speaks_plain = secure.text().find("HTTP response to HTTPS client") != std::string::npos;
      if (speaks_plain || secure.error_number() == ECONNREFUSED) throw;
      throw secure;
    }
  }
}

bool Repository::ping() {
  const Url url = base();
  follow({.url = url})->read_all(kManifestLimit);  // to its end: then the line serves the next question, too
  return url.scheme == "https";
}

Url Repository::at(Url base, std::string_view rest) {
  base.target += rest;
  return base;
}

std::string Repository::scope() const {
  std::string scopes = cat("repository:", path_, access_ == Access::push ? ":pull,push" : ":pull");
  if (!mounted_from_.empty()) scopes += cat(" repository:", mounted_from_, ":pull");
  return scopes;
}

void Repository::add_authorization(Call& call) {
  const std::lock_guard lock{mutex_};
  // Only the registry itself has a right to them.
  if (!authorization_.empty() && base_ && call.url.same_origin(*base_)) {
    call.headers.emplace_back("Authorization", authorization_);
  }
}

bool Repository::authorize(Exchange& answer, const std::string& refused) {
  std::vector<std::string> challenges;
  for (const auto& [name, value] : answer.reply().headers) {
    if (name == "www-authenticate") challenges.push_back(value);
  }
  return authorize(challenges, refused);
}

bool Repository::authorize(const std::vector<std::string>& headers, const std::string& refused) {
  std::vector<Challenge> challenges;
  for (const std::string& header : headers) std::ranges::move(parse_challenges(header), std::back_inserter(challenges));
  const auto of = [&](std::string_view scheme) { return std::ranges::find(challenges, scheme, &Challenge::scheme); };
  const Url registry = base();
  const std::lock_guard lock{mutex_};
  if (!authorization_.empty() && authorization_ != refused) return true;  // another thread has got one meanwhile
  if (const auto bearer = of("bearer"); bearer != challenges.end()) {
    const http_client::Deadline deadline =
        std::chrono::steady_clock::now() + std::min<std::chrono::milliseconds>(kTokenPatience, policy_.silence);
    const Tokens tokens =
        fetch_tokens(policy_, registry, *bearer, credentials_, scope(), Offline::no, tls_for(registry), deadline);
    authorization_ = cat("Bearer ", tokens.token);
    return authorization_ != refused;
  }
  if (of("basic") == challenges.end()) return false;
  if (!has_password(credentials_)) throw system_error("no basic auth credentials");
  authorization_ = basic_authorization(credentials_);
  return authorization_ != refused;
}

std::unique_ptr<Exchange> Repository::follow(Call call) {
  const bool may_move = call.method == "GET" || call.method == "HEAD";
  for (int redirects = 0;; ++redirects) {
    const bool secure = call.url.scheme == "https";
    std::unique_ptr<Exchange> exchange =
        connections_.start(call, secure ? tls_for(call.url) : http_client::TlsOptions{});
    http_client::Reply& reply = exchange->receive(call.method == "HEAD");
    if (!may_move || !is_redirect(reply.status)) return exchange;
    if (redirects == kMostRedirects) throw system_error(cat("stopped after ", kMostRedirects, " redirects"));
    Url next = location_of(*exchange, reply);
    if (secure && next.scheme == "http" && !is_insecure(policy_, next.authority, next.host)) {
      throw system_error(cat("refused the redirect to ", quoted(next.text()), ", which is not encrypted"));
    }
    if (!next.same_origin(call.url)) {
      std::erase_if(call.headers, [](const auto& header) { return header.first == "Authorization"; });
    }
    call.url = std::move(next);
  }
}

std::unique_ptr<Exchange> Repository::ask_once(Call call) {
  const std::size_t own_headers = call.headers.size();
  add_authorization(call);
  for (bool second = false;; second = true) {
    std::unique_ptr<Exchange> exchange = follow(call);
    http_client::Reply& reply = exchange->reply();
    if (!exchange->url().same_origin(base())) return exchange;
    look_for_neighbour(reply);
    if (reply.status != 401 || second) return exchange;
    const std::string refused = call.headers.size() > own_headers ? call.headers.back().second : "";
    try {
      if (!authorize(*exchange, refused)) return exchange;
    } catch (Error& error) {
      error.during(cat(call.method.substr(0, 1), to_lower(call.method.substr(1)), " ", quoted(call.url.text())));
      throw;
    }
    call.headers.resize(own_headers);
    add_authorization(call);
  }
}

std::unique_ptr<Exchange> Repository::ask(Call call, Tries tries, std::string* text, std::string* failed) {
  std::chrono::milliseconds pause = kFirstPause;
  for (int left = tries == Tries::one ? 0 : most_tries_ - 1;; --left) {
    std::chrono::milliseconds wait = pause;
    try {
      std::unique_ptr<Exchange> exchange = ask_once(call);
      const int status = exchange->reply().status;
      if (left == 0 || !registry::is_passing(status)) {
        if (text != nullptr && status == 200) *text = exchange->read_all(kManifestLimit);
        return exchange;
      }
      if (const auto asked = parse_number<int>(exchange->reply().header("retry-after"))) {
        wait = std::clamp<std::chrono::milliseconds>(std::chrono::seconds{*asked}, wait, std::chrono::seconds{30});
      }
      if (failed != nullptr && failed->empty()) *failed = failure_of(exchange->reply()).text();
    } catch (const Error& error) {
      if (left == 0 || !is_passing(error)) throw;
      if (failed != nullptr && failed->empty()) *failed = error.text();
      if (error.error_number() == ETIMEDOUT)
        left = std::min(left, 1);  // who was silent for a minute is asked once more
    }
    connections_.pause(wait);
    pause = std::min(pause * 2, kLongestPause);
  }
}

// ---- Pulling ----

ManifestDocument Repository::get_manifest(const std::string& reference) {
  ManifestDocument manifest;
  const auto exchange = ask({.url = url_of(cat("manifests/", http_client::escape_url(reference, ":"))),
                             .headers = {{"Accept", std::string{kManifestTypes}}}},
                            Tries::several, &manifest.text);
  http_client::Reply& reply = exchange->reply();
  if (reply.status != 200) throw failure_of(reply);
  const std::string_view type = reply.header("content-type");
  manifest.media_type = trim(type.substr(0, type.find(';')));
  manifest.digest = reply.header("docker-content-digest");
  return manifest;
}

std::optional<std::string> Repository::find_manifest(const std::string& reference) {
  const auto exchange = ask({.method = "HEAD",
                             .url = url_of(cat("manifests/", http_client::escape_url(reference, ":"))),
                             .headers = {{"Accept", std::string{kManifestTypes}}}});
  if (exchange->reply().status != 200) return std::nullopt;
  return std::string{exchange->reply().header("docker-content-digest")};
}

std::optional<std::string> Repository::neighbour() {
  const std::lock_guard lock{mutex_};
  return neighbour_;
}

void Repository::look_for_neighbour(http_client::Reply& reply) {
  const auto socket = neighbour::socket_path(policy_.neighbours, reply.header(neighbour::kHeaderLower));
  const std::lock_guard lock{mutex_};
  neighbour_ = socket;
}

std::unique_ptr<ByteSource> Repository::open_blob(const std::string& digest, std::uint64_t size, std::uint64_t start) {
  if (const auto socket = neighbour(); socket && start == 0) {
    auto handover = neighbour::ask(
        *socket, with_authorization({.url = url_of(cat("blobs/", http_client::escape_url(digest, ":")))}));
    if (handover) {
      if (auto file = neighbour::open_blob(std::move(*handover), size, connections_)) return file;
    }
  }
  return std::make_unique<BlobReader>(*this, url_of(cat("blobs/", http_client::escape_url(digest, ":"))), start, size);
}

std::unique_ptr<ByteSource> Repository::open_address(const std::string& text, std::uint64_t size) {
  const Url url = parse_url(text);
  if (url.scheme != "https" && !is_insecure(policy_, url.authority, url.host)) {
    throw system_error(cat("refused to fetch ", quoted(text), ", which is not encrypted"));
  }
  return std::make_unique<BlobReader>(*this, url, 0, size);
}

std::vector<std::string> Repository::list_pages(Url url) {
  std::vector<std::string> pages;
  std::size_t bytes = 0;
  while (pages.size() < kMostPages) {
    const auto exchange = ask({.url = url}, Tries::several, &pages.emplace_back());
    http_client::Reply& reply = exchange->reply();
    if (reply.status != 200) throw failure_of(reply);
    if ((bytes += pages.back().size()) > kMostListBytes) throw system_error(cat(url.text(), " is too long a list"));
    const std::optional<Url> next = next_page(reply.header("link"), url);
    if (!next) break;
    url = *next;
  }
  return pages;
}

std::vector<std::string> Repository::list_tags() {
  std::vector<std::string> tags;
  for (const std::string& page : list_pages(url_of("tags/list"))) {
    for (std::string& tag : json::from_json<TagList>(page).tags) tags.push_back(std::move(tag));
  }
  return tags;
}

std::vector<std::string> Repository::list_referrers(const std::string& digest) {
  try {
    return list_pages(url_of(cat("referrers/", http_client::escape_url(digest, ":"))));
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::not_found) throw;
  }
  std::string tag = digest;
  std::ranges::replace(tag, ':', '-');
  std::vector<std::string> lists;
  try {
    lists.push_back(get_manifest(tag).text);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::not_found) throw;
  }
  return lists;
}

// ---- Pushing ----

bool Repository::has_blob(const std::string& digest) {
  const auto exchange = ask({.method = "HEAD", .url = url_of(cat("blobs/", http_client::escape_url(digest, ":")))});
  const int status = exchange->reply().status;
  if (status == 401 || status == 403) throw failure_of(exchange->reply());
  return status == 200;
}

bool Repository::mount_blob(const std::string& digest, const std::string& from) {
  {
    const std::lock_guard lock{mutex_};
    if (mounted_from_ != from) {
      mounted_from_ = from;
      if (authorization_.starts_with("Bearer ")) authorization_.clear();  // one that covers both, next time
    }
  }
  const auto exchange = ask({.method = "POST",
                             .url = url_of(cat("blobs/uploads/?mount=", http_client::escape_url(digest),
                                               "&from=", http_client::escape_url(from, "/")))});
  http_client::Reply& reply = exchange->reply();
  if (reply.status == 201) return true;
  if (reply.status == 202) {  // it opened an upload instead, which nobody wants
    try {
      ask({.method = "DELETE", .url = location_of(*exchange, reply)}, Tries::one);
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::cancelled) throw;  // else the registry forgets it some day
    }
  }
  return false;
}

std::unique_ptr<Repository::Upload> Repository::begin_blob() {
  const auto exchange = ask({.method = "POST", .url = url_of("blobs/uploads/")});
  http_client::Reply& reply = exchange->reply();
  if (reply.status != 202) throw failure_of(reply);
  return std::make_unique<BlobUpload>(*this, location_of(*exchange, reply));
}

std::string Repository::put_manifest(const std::string& reference, const std::string& media_type,
                                     const std::string& text) {
  const auto exchange = ask({.method = "PUT",
                             .url = url_of(cat("manifests/", http_client::escape_url(reference, ":"))),
                             .headers = {{"Content-Type", media_type}},
                             .body = text});
  http_client::Reply& reply = exchange->reply();
  if (reply.status != 201 && reply.status != 200 && reply.status != 202) throw failure_of(reply);
  return std::string{reply.header("docker-content-digest")};
}

}  // namespace berth::registry
