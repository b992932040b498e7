// What a stranger says to the registry, before anything is looked up: ranges, chunks, names of uploads, paths, scopes
// and tokens, files of users and rights. And what a registry says to the engine in headers and errors: challenges,
// ranges, pages, addresses. The first byte chooses one, so that each has its own seeds.

#include <algorithm>
#include <limits>

#include "base/sys/file.h"
#include "fuzz/fuzz.h"
#include "registry/client/challenge.h"
#include "registry/client/headers.h"
#include "registry/client/token_error.h"
#include "registry/server/errors.h"
#include "registry/server/htpasswd.h"
#include "registry/server/names.h"
#include "registry/server/ranges.h"
#include "registry/server/rights.h"
#include "registry/server/target.h"
#include "registry/server/token.h"
#include "registry/server/upload_id.h"

namespace berth {
namespace {

using namespace registry::server;

/// A line says how long the blob is, the next one which range of it is wanted.
void range(fuzz::Input& input) {
  const std::uint64_t total = parse_number<std::uint64_t>(input.line()).value_or(10);
  try {
    const auto range = parse_range(input.line(), total);
    if (!range) return;
    fuzz::require(range->size > 0 && range->first < total && range->size <= total - range->first,
                  "a range lies in its blob");
  } catch (const Refusal& refusal) {
    fuzz::require(refusal.status() == 416, "a range is ignored or not satisfiable");
  }
}

void chunk(fuzz::Input& input) {
  const auto start = chunk_start(input.rest());
  if (!start) return;
  fuzz::require(chunk_start(cat("bytes ", *start, "-", *start, "/*")) == start, "both spellings mean the same");
}

void upload(fuzz::Input& input) {
  const std::string_view id = input.line(), repository = input.line();
  if (is_upload_id(id, repository)) {
    fuzz::require(id.find('/') == std::string_view::npos && id.size() < 64, "an upload is a file's name");
    fuzz::require(!is_upload_id(id, cat(repository, "x")), "an upload belongs to one repository");
  }
  const std::string made = new_upload_id(repository);
  fuzz::require(is_upload_id(made, repository), "what was handed out is taken back");
}

void target(fuzz::Input& input) {
  const std::string_view path = input.rest();
  const Target target = parse_target(path);
  fuzz::require(has_repository(target.kind) != target.repository.empty(),
                "what needs a right to a repository names it");
  if (target.repository.empty()) return;
  fuzz::require(path.find(target.repository) != std::string_view::npos, "a repository stands in its path");
  if (!is_repository_name(target.repository)) return;
  fuzz::require(target.repository.find("..") == std::string::npos && target.repository.front() != '/',
                "a name leads nowhere else");
  if (is_digest(target.reference))
    fuzz::require(target.reference.size() == 71 || target.reference.size() == 135, "a digest has its length");
}

void scope(fuzz::Input& input) {
  for (const TokenGrant& grant : parse_scope(input.rest())) {
    fuzz::require(!grant.type.empty() && !grant.name.empty(), "a grant says for what");
    TokenClaims claims;
    claims.access = {grant};
    const Actions may = claims.may(grant.name);
    fuzz::require(Actions::all().covers(may), "there are three things to do");
    fuzz::require(grant.type == "repository" || may.none(), "only a repository's grant gives rights to one");
  }
}

void token(fuzz::Input& input) {
  static const sys::TemporaryDir folder{"/tmp"};
  static const SigningKey key = SigningKey::open(folder.path() + "/key");
  static const VerifyingKeys keys{key.key()};
  fuzz::require(!keys.verify(input.rest()), "nobody else signs our tokens");
  TokenClaims claims;
  claims.subject = input.line();
  claims.audience.text = "\"here\"";
  claims.access = parse_scope(input.rest());
  const auto read = keys.verify(key.sign(claims));
  fuzz::require(read && read->access.size() == claims.access.size(), "what was signed is read");
}

void users(fuzz::Input& input) {
  for (const auto& [user, hash] : parse_htpasswd(input.rest(), "users")) {
    fuzz::require(!user.empty() && user.find(':') == std::string::npos && user.find('\n') == std::string::npos,
                  "a user is one word of a line");
    fuzz::require(hash.starts_with("$2"), "a password's hash is bcrypt's");
  }
}

void rights(fuzz::Input& input) {
  const std::string_view user = input.line(), repository = input.line();
  const Rights rights = Rights::parse(input.rest());
  const Actions some = rights.of(user, repository);
  fuzz::require(!rights.reads_all(user) || some.pull, "who reads all reads this one");
}

void challenge(fuzz::Input& input) {
  for (const registry::Challenge& challenge : registry::parse_challenges(input.rest())) {
    fuzz::require(!challenge.scheme.empty(), "a challenge has a scheme");
    for (const auto& [name, value] : challenge.parameters) {
      fuzz::require(!name.empty() && value.size() <= input.rest().size(), "a parameter stands in its header");
    }
  }
}

void sent_range(fuzz::Input& input) {
  const auto range = registry::parse_content_range(input.rest());
  if (!range) return;
  fuzz::require(range->first <= range->last && (!range->total || range->last < *range->total),
                "a range lies in its whole");
  const std::string total = range->total ? cat(*range->total) : "*";
  const auto again = registry::parse_content_range(cat("bytes ", range->first, "-", range->last, "/", total));
  fuzz::require(again && again->first == range->first && again->last == range->last && again->total == range->total,
                "a range is what it says");
}

void upload_range(fuzz::Input& input) {
  const auto size = registry::parse_upload_range(input.rest());
  if (!size) return;
  fuzz::require(*size > 1, "some bytes have come");
  fuzz::require(registry::parse_upload_range(cat("bytes=0-", *size - 1)) == size, "both spellings mean the same");
}

void address(fuzz::Input& input) {
  const registry::Url url = registry::parse_url(input.rest());
  const std::string all = url.text();
  const bool one_line = std::ranges::none_of(all, [](char c) { return c >= 0 && c <= ' '; });
  fuzz::require(one_line && url.target.starts_with('/'), "an address ends no line and no word");
  fuzz::require(url.authority.find_first_of("/@?#") == std::string::npos, "a host is no path and no user");
  fuzz::require(parse_number<std::uint16_t>(url.port).has_value(), "there is a port");
  const registry::Url again = registry::parse_url(all);
  fuzz::require(again.same_origin(url) && again.text() == all, "an address is what it says");
}

/// The address of a page, and its Link.
void page(fuzz::Input& input) {
  const registry::Url url = registry::parse_url(input.line());
  const auto next = registry::next_page(input.rest(), url);
  if (next) fuzz::require(next->same_origin(url), "a list goes on where it began");
}

/// A status, and an error's body.
void failure(fuzz::Input& input) {
  const int status = parse_number<int>(input.line()).value_or(404);
  const Error error = registry::error_of(
      {.status = status, .status_text = cat(status), .headers = {}, .body = std::string{input.rest()}});
  fuzz::require(!error.text().empty() && error.text().size() < 64 + 8 * input.rest().size() + 8192,
                "an error says why");
  const bool is_status = error.text().starts_with("received unexpected HTTP status");
  fuzz::require(is_status == (status < 400 || status >= 500), "only a 4xx has words of its own");
}

}  // namespace
}  // namespace berth

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace berth;
  fuzz::Input input{data, size};
  const auto parse = [&] {
    switch (input.byte()) {
      case 'r': return range(input);
      case 'c': return chunk(input);
      case 'u': return upload(input);
      case 'p': return target(input);
      case 's': return scope(input);
      case 't': return token(input);
      case 'h': return users(input);
      case 'a': return rights(input);
      case 'w': return challenge(input);
      case 'g': return sent_range(input);
      case 'o': return upload_range(input);
      case 'l': return address(input);
      case 'n': return page(input);
      case 'e': return failure(input);
      default: return;
    }
  };
  fuzz::accepted(parse);
  return 0;
}
