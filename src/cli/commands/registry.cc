#include <malloc.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/async/async.h"
#include "base/core/log.h"
#include "base/core/text.h"
#include "base/sys/file.h"
#include "base/sys/process.h"
#include "cli/commands/commands.h"
#include "registry/server/control.h"
#include "registry/server/fsck.h"
#include "registry/server/server.h"

namespace berth::cli {

namespace {

namespace server = registry::server;
namespace asio = boost::asio;

constexpr std::string_view kDefaultRoot = "/var/lib/berth-registry";
constexpr std::string_view kDefaultNeighbours = "/run/berth/registries";  ///< where berthd looks by default
constexpr unsigned kPoolThreads = 16;  ///< they wait for the disk, which likes to have many to serve at once

struct ServeOptions {
  std::vector<std::string> addresses;
  std::string root{kDefaultRoot}, certificate, key, htpasswd, realm = "Berth registry";
  std::string rights, token_realm, token_keys, token_service = "berth-registry", token_issuer = "berth-registry";
  bool basic = false, until_eof = false;
  std::string proxy, proxy_user, proxy_password_file;
  std::int64_t proxy_expire = 7 * 24 * 3'600'000'000'000;
  bool anonymous_read = false, no_delete = false, immutable_tags = false, access_log = false, untagged = false;
  std::string neighbours{kDefaultNeighbours};
  std::int64_t quota = 0, collect_every = 3'600'000'000'000, grace = 3'600'000'000'000;
};

/// "host:port", ":port" or "[::1]:port".
std::pair<std::string, std::uint16_t> split_address(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  const auto port = colon == std::string::npos ? std::nullopt : parse_number<std::uint16_t>(address.substr(colon + 1));
  if (!port) throw invalid(cat("invalid address ", quoted(address), ": HOST:PORT is wanted"));
  std::string host = address.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return {host, *port};
}

server::Options server_options(const ServeOptions& wanted) {
  if (wanted.certificate.empty() != wanted.key.empty()) throw invalid("--tls-cert and --tls-key go together");
  server::Options options;
  options.root = wanted.root;
  options.access.htpasswd_file = wanted.htpasswd;
  options.access.rights_file = wanted.rights;
  options.access.realm = wanted.realm;
  options.access.anonymous_read = wanted.anonymous_read;
  options.access.only_basic = wanted.basic;
  options.access.tls = !wanted.certificate.empty();
  options.access.token_realm = wanted.token_realm;
  options.access.token_service = wanted.token_service;
  options.access.token_issuer = wanted.token_issuer;
  options.access.token_keys_file = wanted.token_keys;
  options.deletes = !wanted.no_delete;
  options.immutable_tags = wanted.immutable_tags;
  options.repository_quota_bytes = wanted.quota;
  options.access_log = wanted.access_log;
  options.collect_every = std::chrono::floor<std::chrono::seconds>(std::chrono::nanoseconds{wanted.collect_every});
  options.collect.grace_seconds = wanted.grace / 1'000'000'000;
  options.collect.untagged_manifests = wanted.untagged;
  options.neighbours = wanted.neighbours;
  options.proxy.remote = wanted.proxy;
  options.proxy.credentials.username = wanted.proxy_user;
  if (!wanted.proxy_password_file.empty()) {
    options.proxy.credentials.password = trim(sys::read_file(wanted.proxy_password_file));
  }
  options.proxy.expire = std::chrono::seconds{wanted.proxy_expire / 1'000'000'000};
  return options;
}

/// SIGTERM and SIGINT end it in order; SIGHUP collects garbage at once.
Task<void> serve_until_signal(server::Server& registry, EventLoop& loop) {
  asio::signal_set signals{loop, SIGTERM, SIGINT, SIGHUP};
  for (;;) {
    const int signal = co_await signals.async_wait(asio::use_awaitable);
    if (signal != SIGHUP) break;
    registry.collect_soon();
  }
  co_await registry.close();
  loop.stop();
}

/// Whoever started us holds the other end, and has ended.
Task<void> end_with_input() {
  co_await async::wait_readable(sys::FdRef::borrow(STDIN_FILENO));
  ::raise(SIGTERM);
}

int serve(const ServeOptions& wanted) {
  const server::Options options = server_options(wanted);
  std::optional<http::TlsOptions> tls;
  if (!wanted.certificate.empty()) tls = http::TlsOptions{.cert_file = wanted.certificate, .key_file = wanted.key};
  std::signal(SIGPIPE, SIG_IGN);
  // As the daemon: descriptors for all who come, and memory that a burst needed goes back.
  sys::raise_descriptor_limit();
  ::mallopt(M_ARENA_MAX, 2);
  ::mallopt(M_TRIM_THRESHOLD, 256 << 10);
  Logger log;
  EventLoop loop{1};
  async::BlockingPool pool{loop, kPoolThreads};
  server::Server registry{loop, pool, options, log};
  std::vector<std::string> addresses = wanted.addresses;
  if (addresses.empty()) addresses.emplace_back(":5000");
  for (const std::string& address : addresses) {
    const auto [host, port] = split_address(address);
    log.info("registry of ", options.root, " at ", tls ? "https://" : "http://", host.empty() ? "*" : host, ":",
             registry.http().listen_tcp(host, port, tls));
  }
  std::exception_ptr failure;
  const auto on_end = [&](const std::exception_ptr& error) {
    if (!error) return;
    failure = error;
    loop.stop();
  };
  asio::co_spawn(loop, registry.maintain(), on_end);
  if (wanted.until_eof) asio::co_spawn(loop, end_with_input(), on_end);
  asio::co_spawn(loop, serve_until_signal(registry, loop), on_end);
  loop.run();
  if (failure) std::rethrow_exception(failure);
  return 0;
}

Action prepare_serve(FlagSet& flags) {
  auto options = std::make_shared<ServeOptions>();
  flags.boolean(options->access_log, "access-log", 0, "Log every request");
  flags.list(options->addresses, "addr", 'a', "Address to listen on (default :5000)");
  flags.boolean(options->anonymous_read, "anonymous-read", 0, "Pulling needs no login");
  flags.boolean(options->basic, "basic", 0, "Take passwords only, hand out no tokens");
  flags.duration(options->grace, "gc-grace", 0, "Leave alone what is younger (default 1h)");
  flags.duration(options->collect_every, "gc-interval", 0, "Collect garbage so often; 0 on SIGHUP only (default 1h)");
  flags.boolean(options->untagged, "gc-untagged", 0, "Collect manifests without a tag, too");
  flags.text(options->htpasswd, "htpasswd", 0, "File of users, made by htpasswd -B");
  flags.boolean(options->immutable_tags, "immutable-tags", 0,
                "A tag stands for one manifest for ever, and is not deleted");
  flags.text(
      options->neighbours, "neighbours", 0,
      "Folder of sockets where engines on this machine get and send files; \"\" none (default /run/berth/registries)");
  flags.boolean(options->no_delete, "no-delete", 0, "Refuse to delete anything");
  flags.duration(options->proxy_expire, "proxy-expire", 0,
                 "Collect what nobody has asked for in so long; 0 never (default 168h)");
  flags.text(options->proxy_password_file, "proxy-password-file", 0, "File with the password for --proxy-remote");
  flags.text(options->proxy, "proxy-remote", 0, "Be a cache of the registry at this address");
  flags.text(options->proxy_user, "proxy-user", 0, "User name for --proxy-remote");
  flags.bytes(options->quota, "quota", 0, "Most bytes that a repository may have");
  flags.text(options->realm, "realm", 0, "Name shown to who is asked for a password");
  flags.text(options->rights, "rights", 0,
             "File of lines \"USER REPOSITORY ACTIONS\": who may pull, push, delete what");
  flags.text(options->root, "root", 0, "Folder of the registry (default /var/lib/berth-registry)");
  flags.boolean(options->until_eof, "until-eof", 0, "End when standard input does").hidden = true;
  flags.text(options->certificate, "tls-cert", 0, "Certificate file: speak TLS");
  flags.text(options->key, "tls-key", 0, "Key file of the certificate");
  flags.text(options->token_issuer, "token-issuer", 0, "Who signs tokens (default berth-registry)");
  flags.text(options->token_keys, "token-keys", 0, "Certificates of somebody else who signs tokens (PEM)");
  flags.text(options->token_realm, "token-realm", 0, "Address of the token service, when it is not /token here");
  flags.text(options->token_service, "token-service", 0, "Name of this registry in tokens (default berth-registry)");
  return [options](Cli&, const Arguments&) { return serve(*options); };
}

struct StoreOptions {
  std::string root{kDefaultRoot};
  bool untagged = false;
  std::int64_t grace = 3'600'000'000'000;
};

int fsck(const StoreOptions& options) {
  EventLoop loop{1};
  const server::BlobFiles files{options.root};
  const server::Catalog catalog{loop, files};
  const server::FsckReport report = check_store(files, catalog, [](const std::string& line) { Cli::out_line(line); });
  Cli::out_line(cat(report.blobs, " blobs, ", report.bytes, " bytes: ", report.missing, " missing, ", report.damaged,
                    " damaged, ", report.stray, " stray, ", report.inconsistent, " inconsistent, ", report.lacking,
                    " named and not here"));
  return report.clean() ? 0 : 1;
}

/// With nobody to ask; but a registry may start meanwhile.
Task<void> collect_once(server::Catalog& catalog, server::Catalog::CollectRules rules,
                        std::optional<server::Catalog::Collected>& collected) {
  collected = co_await catalog.collect(rules, server::Catalog::Beside::a_registry);
}

server::Catalog::Collected collect_here(const std::string& root, server::Catalog::CollectRules rules) {
  EventLoop loop{1};
  const server::BlobFiles files{root};
  server::Catalog catalog{loop, files};
  std::optional<server::Catalog::Collected> collected;
  std::exception_ptr failure;
  asio::co_spawn(loop, collect_once(catalog, rules, collected),
                 [&](const std::exception_ptr& error) { failure = error; });
  loop.run();
  if (failure) std::rethrow_exception(failure);
  return *collected;
}

int collect(const StoreOptions& options) {
  const server::Catalog::CollectRules rules{.grace_seconds = options.grace / 1'000'000'000,
                                            .untagged_manifests = options.untagged};
  std::optional<server::Catalog::Collected> some = server::ask_to_collect(options.root, rules);
  if (!some) some = collect_here(options.root, rules);
  Cli::out_line(cat(some->manifests, " manifests, ", some->blobs, " blobs, ", some->bytes, " bytes collected"));
  return 0;
}

Action prepare_fsck(FlagSet& flags) {
  auto options = std::make_shared<StoreOptions>();
  flags.text(options->root, "root", 0, "Folder of the registry (default /var/lib/berth-registry)");
  return [options](Cli&, const Arguments&) { return fsck(*options); };
}

Action prepare_collect(FlagSet& flags) {
  auto options = std::make_shared<StoreOptions>();
  flags.duration(options->grace, "gc-grace", 0, "Leave alone what is younger (default 1h)");
  flags.boolean(options->untagged, "gc-untagged", 0, "Collect manifests without a tag, too");
  flags.text(options->root, "root", 0, "Folder of the registry (default /var/lib/berth-registry)");
  return [options](Cli&, const Arguments&) { return collect(*options); };
}

constexpr auto kParse = AfterPositional::keep_parsing;
constexpr Command kCommands[] = {
    {"registry serve", "[OPTIONS]", "Serve a registry of images (OCI distribution)", 0, 0, kParse, prepare_serve},
    {"registry fsck", "[OPTIONS]", "Compare every blob of a registry with its digest, and its tables with each other",
     0, 0, kParse, prepare_fsck},
    {"registry gc", "[OPTIONS]", "Free what no manifest refers to, also while the registry serves", 0, 0, kParse,
     prepare_collect},
};

}  // namespace

std::span<const Command> registry_commands() { return kCommands; }

}  // namespace berth::cli
