#include <algorithm>
#include <chrono>
#include <deque>
#include <iterator>

#include "base/async/async.h"
#include "base/core/text.h"
#include "registry/server/catalog.h"
#include "registry/server/catalog_rows.h"

/// The collector. Everything is looked at once, in the order of its key, a window to a transaction: what a run costs
/// grows with what there is, and no push waits for longer than a window takes.
namespace berth::registry::server {

namespace {

constexpr std::int64_t kWindow = 256;
constexpr std::chrono::milliseconds kShortestPause{2};

struct Key {
  std::string repository, digest;
};

/// One window of rows; which of them are doomed is the last column's word.
struct Window {
  std::vector<Key> doomed;
  Key last;
  bool more = false;
};

Window read_window(db::Connection& db, std::string_view sql, const Key& after, std::int64_t before) {
  Window window;
  db::Statement rows = db.prepare(sql);
  rows.bind(1, after.repository).bind(2, after.digest).bind(3, before).bind(4, kWindow);
  std::int64_t count = 0;
  for (; rows.step(); ++count) {
    window.last = {.repository = rows.text(0), .digest = rows.text(1)};
    if (rows.number(2) != 0) window.doomed.push_back(window.last);
  }
  window.more = count == kWindow;
  return window;
}

constexpr std::string_view kOldManifests =
    "SELECT repository, digest, since <= ?3 FROM manifests"
    " WHERE (repository, digest) > (?1, ?2) ORDER BY repository, digest LIMIT ?4";

/// Nothing leads to them. Those with a subject live as long as it does.
constexpr std::string_view kUselessManifests =
    "SELECT repository, digest, since <= ?3"
    " AND NOT EXISTS(SELECT 1 FROM tags WHERE tags.repository = m.repository AND tags.digest = m.digest)"
    " AND NOT EXISTS(SELECT 1 FROM refs WHERE refs.repository = m.repository AND refs.digest = m.digest)"
    " AND (subject = '' OR NOT EXISTS(SELECT 1 FROM manifests AS s WHERE s.repository = m.repository"
    "      AND s.digest = m.subject))"
    " FROM manifests AS m WHERE ";
constexpr std::string_view kInOrder = "(repository, digest) > (?1, ?2) ORDER BY repository, digest LIMIT ?4";
constexpr std::string_view kThatOne = "repository = ?1 AND digest = ?2 LIMIT ?4";

/// No manifest of their repository needs them.
constexpr std::string_view kUselessLinks =
    "SELECT repository, digest, since <= ?3 AND NOT EXISTS(SELECT 1 FROM refs"
    " WHERE refs.repository = links.repository AND refs.digest = links.digest)"
    " FROM links WHERE (repository, digest) > (?1, ?2) ORDER BY repository, digest LIMIT ?4";

/// Whatever lived by this manifest alone.
void add_dependents(db::Connection& db, const Key& manifest, std::deque<Key>& freed) {
  for (const std::string_view sql :
       {"SELECT refs.digest FROM refs JOIN manifests ON manifests.repository = refs.repository"
        " AND manifests.digest = refs.digest WHERE refs.repository = ? AND refs.manifest = ?",
        "SELECT digest FROM manifests WHERE repository = ? AND subject = ?"}) {
    db::Statement rows = db.prepare(sql);
    rows.bind(1, manifest.repository).bind(2, manifest.digest);
    while (rows.step()) freed.push_back({.repository = manifest.repository, .digest = rows.text(0)});
  }
}

}  // namespace

/// A write; then, beside a registry that serves, as long a pause for its writes.
Task<void> Catalog::collect_step(const std::function<void(db::Connection&)>& work, Beside beside) {
  const auto started = std::chrono::steady_clock::now();
  co_await database_->write(work);
  if (beside == Beside::nobody) co_return;
  const std::chrono::nanoseconds took = std::chrono::steady_clock::now() - started;
  co_await async::sleep_for(std::max<std::chrono::nanoseconds>(took, kShortestPause));
}

Task<std::int64_t> Catalog::expire_manifests(std::int64_t before) {
  std::int64_t count = 0;
  Key at;
  bool more = true;
  const auto work = [&](db::Connection& db) {
    const Window window = read_window(db, kOldManifests, at, before);
    for (const Key& key : window.doomed) erase_manifest(db, key.repository, key.digest);
    count += static_cast<std::int64_t>(window.doomed.size());
    at = window.last;
    more = window.more;
  };
  while (more && !collecting_ends_) co_await collect_step(work, Beside::nobody);
  co_return count;
}

Task<std::int64_t> Catalog::collect_manifests(std::int64_t before, Beside beside) {
  std::int64_t count = 0;
  Key at;
  std::deque<Key> freed;  // perhaps nothing leads to them any more
  bool more = true;
  const std::string in_order = cat(kUselessManifests, kInOrder), that_one = cat(kUselessManifests, kThatOne);
  const auto work = [&](db::Connection& db) {
    std::vector<Key> doomed;
    if (freed.empty()) {
      Window window = read_window(db, in_order, at, before);
      doomed = std::move(window.doomed);
      at = std::move(window.last);
      more = window.more;
    }
    for (std::int64_t i = 0; i < kWindow && !freed.empty(); ++i) {
      std::ranges::move(read_window(db, that_one, freed.front(), before).doomed, std::back_inserter(doomed));
      freed.pop_front();
    }
    for (const Key& key : doomed) {
      // Twice in the list where two things led to it.
      if (!has_row(db, kManifestRow, key.repository, key.digest)) continue;
      add_dependents(db, key, freed);
      erase_manifest(db, key.repository, key.digest);
      ++count;
    }
  };
  while ((more || !freed.empty()) && !collecting_ends_) co_await collect_step(work, beside);
  co_return count;
}

Task<void> Catalog::collect_links(std::int64_t before, Beside beside) {
  Key at;
  bool more = true;
  const auto work = [&](db::Connection& db) {
    const Window window = read_window(db, kUselessLinks, at, before);
    for (const Key& key : window.doomed) {
      db.prepare("DELETE FROM links WHERE repository = ? AND digest = ?")
          .bind(1, key.repository)
          .bind(2, key.digest)
          .run();
    }
    at = window.last;
    more = window.more;
  };
  while (more && !collecting_ends_) co_await collect_step(work, beside);
}

/// Blobs without links and manifests. A blob's row goes first and is durable before its file is removed, in a second
/// transaction that looks whether it has come back.
Task<Catalog::Collected> Catalog::collect_blobs(Beside beside) {
  Collected collected;
  std::string at;
  bool more = true;
  std::vector<std::string> doomed;
  const auto drop_rows = [&](db::Connection& db) {
    doomed.clear();
    std::int64_t count = 0;
    {
      db::Statement rows = db.prepare(
          "SELECT digest, size, NOT EXISTS(SELECT 1 FROM links WHERE links.digest = b.digest)"
          " AND NOT EXISTS(SELECT 1 FROM manifests WHERE manifests.digest = b.digest)"
          " FROM blobs AS b WHERE digest > ? ORDER BY digest LIMIT ?");
      rows.bind(1, at).bind(2, kWindow);
      for (; rows.step(); ++count) {
        at = rows.text(0);
        if (rows.number(2) == 0) continue;
        doomed.push_back(at);
        collected.bytes += rows.number(1);
      }
    }
    more = count == kWindow;
    for (const std::string& digest : doomed) db.prepare("DELETE FROM blobs WHERE digest = ?").bind(1, digest).run();
    collected.blobs += static_cast<std::int64_t>(doomed.size());
  };
  const auto drop_files = [&](db::Connection& db) {
    for (const std::string& digest : doomed) {
      if (!has_row(db, kBlobRow, digest)) files_.remove(digest);
    }
  };
  while (more && !collecting_ends_) {
    co_await collect_step(drop_rows, beside);
    if (!doomed.empty()) co_await collect_step(drop_files, beside);
  }
  co_return collected;
}

Task<Catalog::Collected> Catalog::collect(CollectRules rules, Beside beside) {
  const std::int64_t before = seconds_now() - rules.grace_seconds;
  const std::int64_t manifests = rules.untagged_manifests ? co_await collect_manifests(before, beside) : 0;
  co_await collect_links(before, beside);
  Collected collected = co_await collect_blobs(beside);
  collected.manifests = manifests;
  co_return collected;
}

}  // namespace berth::registry::server
