#include "registry/server/catalog.h"

#include <set>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"
#include "registry/server/catalog_rows.h"
#include "registry/server/errors.h"
#include "registry/server/manifest.h"
#include "registry/server/names.h"

namespace berth::registry::server {

namespace {

constexpr std::string_view kSchema = R"(
CREATE TABLE IF NOT EXISTS blobs(digest TEXT PRIMARY KEY, size INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS links(
  repository TEXT NOT NULL, digest TEXT NOT NULL, since INTEGER NOT NULL, PRIMARY KEY(repository, digest)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS links_by_digest ON links(digest);
CREATE TABLE IF NOT EXISTS manifests(
  repository TEXT NOT NULL, digest TEXT NOT NULL, type TEXT NOT NULL, size INTEGER NOT NULL, artifact TEXT NOT NULL,
  annotations TEXT NOT NULL, subject TEXT NOT NULL, since INTEGER NOT NULL, PRIMARY KEY(repository, digest)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS manifests_by_digest ON manifests(digest);
CREATE INDEX IF NOT EXISTS manifests_by_subject ON manifests(repository, subject) WHERE subject <> '';
CREATE TABLE IF NOT EXISTS refs(
  repository TEXT NOT NULL, manifest TEXT NOT NULL, digest TEXT NOT NULL,
  PRIMARY KEY(repository, manifest, digest)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS refs_by_digest ON refs(repository, digest);
CREATE TABLE IF NOT EXISTS tags(
  repository TEXT NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL, since INTEGER NOT NULL,
  PRIMARY KEY(repository, name)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS tags_by_digest ON tags(repository, digest);
CREATE TABLE IF NOT EXISTS repositories(name TEXT PRIMARY KEY) WITHOUT ROWID;
)";

void link_blob(db::Connection& db, const std::string& repository, const std::string& digest) {
  db.prepare("INSERT OR IGNORE INTO repositories(name) VALUES(?)").bind(1, repository).run();
  db.prepare("INSERT OR REPLACE INTO links(repository, digest, since) VALUES(?, ?, ?)")
      .bind(1, repository)
      .bind(2, digest)
      .bind(3, seconds_now())
      .run();
}

std::int64_t blob_bytes(db::Connection& db, const std::string& digest) {
  db::Statement row = db.prepare("SELECT size FROM blobs WHERE digest = ?");
  row.bind(1, digest);
  return row.step() ? row.number(0) : 0;
}

/// Large ones stay in the manifest's file alone: SQLite reads the whole of a row to compare its key.
constexpr std::size_t kMostAnnotationBytes = 2 << 10;
constexpr std::string_view kInManifest = "@";

std::string annotations_in_file(const BlobFiles& files, const std::string& digest) {
  try {
    return annotations_of(files.read(digest));
  } catch (const Error&) {  // missing or damaged: it is listed all the same
    return "";
  }
}

Page page_of(db::Statement& rows, std::int64_t count) {
  Page page;
  while (rows.step()) {
    if (static_cast<std::int64_t>(page.names.size()) == count) {
      page.more = true;
      break;
    }
    page.names.push_back(rows.text(0));
  }
  return page;
}

void check_references(db::Connection& db, const std::string& repository, const NewManifest& manifest) {
  for (const std::string& digest : manifest.blobs) {
    if (!has_row(db, kLinkRow, repository, digest)) {
      throw Refusal{400, "MANIFEST_BLOB_UNKNOWN", cat("blob unknown to registry: ", digest)};
    }
  }
}

void check_tag_rule(db::Connection& db, const std::string& repository, const std::string& tag,
                    const std::string& digest) {
  db::Statement row = db.prepare("SELECT digest FROM tags WHERE repository = ? AND name = ?");
  row.bind(1, repository).bind(2, tag);
  if (row.step() && row.text(0) != digest) {
    throw Refusal{409, "DENIED", cat("tag ", tag, " is immutable and stands for another manifest")};
  }
}

void insert_manifest(db::Connection& db, const std::string& repository, const NewManifest& manifest) {
  db.prepare(
        "INSERT OR REPLACE INTO manifests(repository, digest, type, size, artifact, annotations, subject, since)"
        " VALUES(?, ?, ?, ?, ?, ?, ?, ?)")
      .bind(1, repository)
      .bind(2, manifest.digest)
      .bind(3, manifest.media_type)
      .bind(4, static_cast<std::int64_t>(manifest.text.size()))
      .bind(5, manifest.artifact_type)
      .bind(6, manifest.annotations_json.size() <= kMostAnnotationBytes ? manifest.annotations_json : kInManifest)
      .bind(7, manifest.subject)
      .bind(8, seconds_now())
      .run();
  for (const auto* list : {&manifest.blobs, &manifest.manifests}) {
    for (const std::string& digest : *list) {
      db.prepare("INSERT OR IGNORE INTO refs(repository, manifest, digest) VALUES(?, ?, ?)")
          .bind(1, repository)
          .bind(2, manifest.digest)
          .bind(3, digest)
          .run();
    }
  }
}

void set_tag(db::Connection& db, const std::string& repository, const std::string& tag, const std::string& digest) {
  db.prepare("INSERT OR REPLACE INTO tags(repository, name, digest, since) VALUES(?, ?, ?, ?)")
      .bind(1, repository)
      .bind(2, tag)
      .bind(3, digest)
      .bind(4, seconds_now())
      .run();
}

}  // namespace

Catalog::Catalog(EventLoop& loop, const BlobFiles& files, std::int64_t quota_bytes)
    : files_(files), quota_bytes_(quota_bytes) {
  const std::string path = cat(files.root(), "/registry.db");
  database_ = std::make_unique<db::Database>(loop, path);
  database_->write_blocking([](db::Connection& db) { db.execute(kSchema); });
  database_->before_commit([this] { sync_folder(); });
  reader_ = std::make_unique<db::Connection>(path);
}

/// After all renames of a group of writes: one sync makes them durable.
void Catalog::sync_folder() {
  for (const archive::DigestAlgorithm algorithm : std::exchange(unsynced_, {})) {
    sys::sync_dir(files_.folder(algorithm));
  }
}

Catalog::~Catalog() = default;

void Catalog::sweep_files() {
  for (const std::string& digest : files_.list()) {
    if (!is_digest(digest) || !has_row(*reader_, kBlobRow, digest)) files_.remove(digest);
  }
}

// ---- Reading ----

std::optional<std::uint64_t> Catalog::find_blob(const std::string& repository, const std::string& digest) const {
  db::Statement row = reader_->prepare(
      "SELECT blobs.size FROM links JOIN blobs ON blobs.digest = links.digest"
      " WHERE links.repository = ? AND links.digest = ?");
  row.bind(1, repository).bind(2, digest);
  if (!row.step()) return std::nullopt;
  return static_cast<std::uint64_t>(row.number(0));
}

bool Catalog::has_blob(const std::string& digest) const { return has_row(*reader_, kBlobRow, digest); }

std::optional<StoredManifest> Catalog::find_manifest(const std::string& repository,
                                                     const std::string& reference) const {
  db::Statement row = reader_->prepare(
      is_digest(reference)
          ? std::string_view{"SELECT digest, type, size, since FROM manifests WHERE repository = ?"
                             " AND digest = ?"}
          : std::string_view{"SELECT manifests.digest, type, size, manifests.since FROM tags JOIN manifests"
                             " ON manifests.repository = tags.repository AND manifests.digest ="
                             " tags.digest WHERE tags.repository = ? AND tags.name = ?"});
  row.bind(1, repository).bind(2, reference);
  if (!row.step()) return std::nullopt;
  return StoredManifest{
      .digest = row.text(0), .media_type = row.text(1), .size = row.number(2), .since = row.number(3)};
}

bool Catalog::has_repository(const std::string& repository) const {
  return has_row(*reader_, "SELECT 1 FROM repositories WHERE name = ?", repository);
}

Page Catalog::tags(const std::string& repository, std::int64_t count, const std::string& after) const {
  db::Statement rows = reader_->prepare("SELECT name FROM tags WHERE repository = ? AND name > ? ORDER BY name");
  rows.bind(1, repository).bind(2, after);
  return page_of(rows, count);
}

Page Catalog::repositories(std::int64_t count, const std::string& after) const {
  db::Statement rows = reader_->prepare("SELECT name FROM repositories WHERE name > ? ORDER BY name");
  rows.bind(1, after);
  return page_of(rows, count);
}

bool ReferrersPage::add(Referrer entry, const ReferrersWish& wish) {
  constexpr std::size_t kMostBytes = 1 << 20, kEntryBytes = 256;
  const std::size_t size = kEntryBytes + entry.artifact_type.size() + entry.annotations_json.size();
  more = static_cast<std::int64_t>(entries.size()) >= wish.count || (!entries.empty() && bytes_ + size > kMostBytes);
  if (more) return false;
  bytes_ += size;
  entries.push_back(std::move(entry));
  return true;
}

ReferrersPage Catalog::referrers(const std::string& repository, const std::string& subject,
                                 const ReferrersWish& wish) const {
  ReferrersPage page;
  db::Statement rows = reader_->prepare(
      "SELECT type, digest, size, artifact, annotations FROM manifests WHERE repository = ?1 AND subject = ?2"
      " AND subject <> '' AND digest > ?3 AND (?4 = '' OR artifact = ?4) ORDER BY digest");
  rows.bind(1, repository).bind(2, subject).bind(3, wish.after).bind(4, wish.artifact_type);
  while (rows.step()) {
    Referrer entry{.media_type = rows.text(0),
                   .digest = rows.text(1),
                   .artifact_type = rows.text(3),
                   .annotations_json = rows.text(4),
                   .size = rows.number(2)};
    if (entry.annotations_json == kInManifest) entry.annotations_json = annotations_in_file(files_, entry.digest);
    if (!page.add(std::move(entry), wish)) break;
  }
  return page;
}

std::vector<std::string> Catalog::manifests_naming(const std::string& repository, const std::string& digest) const {
  std::vector<std::string> found;
  db::Statement rows = reader_->prepare("SELECT manifest FROM refs WHERE repository = ? AND digest = ?");
  rows.bind(1, repository).bind(2, digest);
  while (rows.step()) found.push_back(rows.text(0));
  return found;
}

Catalog::Totals Catalog::totals() const {
  const auto number = [&](std::string_view sql) {
    db::Statement row = reader_->prepare(sql);
    return row.step() ? row.number(0) : 0;
  };
  return {.repositories = number("SELECT count(*) FROM repositories"),
          .tags = number("SELECT count(*) FROM tags"),
          .manifests = number("SELECT count(*) FROM manifests"),
          .blobs = number("SELECT count(*) FROM blobs"),
          .bytes = number("SELECT coalesce(sum(size), 0) FROM blobs")};
}

std::vector<std::pair<std::string, std::int64_t>> Catalog::all_blobs() const {
  std::vector<std::pair<std::string, std::int64_t>> blobs;
  db::Statement rows = reader_->prepare("SELECT digest, size FROM blobs");
  while (rows.step()) blobs.emplace_back(rows.text(0), rows.number(1));
  return blobs;
}

std::vector<std::string> Catalog::without_match(std::vector<std::string> digests) const {
  if (digests.empty()) return digests;
  database_->write_blocking([&](db::Connection& db) {
    std::erase_if(digests, [&](const std::string& digest) {
      return has_row(db, kBlobRow, digest) == files_.open(digest).has_value();
    });
  });
  return digests;
}

// ---- Changing ----

Task<void> Catalog::write_with_file(const std::string& digest, const std::function<void(db::Connection&)>& work) {
  std::exception_ptr failure;
  try {
    co_await database_->write(work);
  } catch (...) {
    failure = std::current_exception();
  }
  if (!failure) co_return;
  // A full disk, most likely. Without a row the file is nobody's; changing nothing needs no space.
  const auto undo = [&](db::Connection& db) {
    if (!has_row(db, kBlobRow, digest)) files_.remove(digest);
  };
  try {
    co_await database_->write(undo);
  } catch (const Error&) {  // swept at the next start
  }
  std::rethrow_exception(failure);
}

/// Within the transaction that adds them: of pushes at the same time, the one that is too much is refused.
void Catalog::check_quota(db::Connection& db, const std::string& repository, std::int64_t more_bytes) const {
  if (quota_bytes_ == 0) return;
  db::Statement row = db.prepare(
      "SELECT (SELECT coalesce(sum(size), 0) FROM links JOIN blobs USING(digest) WHERE repository = ?1)"
      " + (SELECT coalesce(sum(size), 0) FROM manifests WHERE repository = ?1)");
  row.bind(1, repository);
  if (row.step() && row.number(0) + more_bytes <= quota_bytes_) return;
  throw quota_exceeded(quota_bytes_);
}

Task<void> Catalog::add_blob(std::string repository, std::string digest, std::shared_ptr<BlobFiles::Upload> upload) {
  const auto work = [this, &repository, &digest, &upload](db::Connection& db) {
    if (!has_row(db, kLinkRow, repository, digest)) {
      check_quota(db, repository, static_cast<std::int64_t>(upload->size()));
    }
    files_.adopt(*upload, digest);
    unsynced_.insert(archive::algorithm_of(digest));
    db.prepare("INSERT OR REPLACE INTO blobs(digest, size) VALUES(?, ?)")
        .bind(1, digest)
        .bind(2, static_cast<std::int64_t>(upload->size()))
        .run();
    link_blob(db, repository, digest);
  };
  co_await write_with_file(digest, work);
}

Task<bool> Catalog::mount_blob(std::string repository, std::string digest, std::string from) {
  bool mounted = false;
  const auto work = [&](db::Connection& db) {
    mounted = has_row(db, kBlobRow, digest) && files_.has(digest, static_cast<std::uint64_t>(blob_bytes(db, digest))) &&
              (from.empty() ? has_row(db, "SELECT 1 FROM links WHERE digest = ?", digest)
                            : has_row(db, kLinkRow, from, digest));
    if (!mounted) return;
    if (!has_row(db, kLinkRow, repository, digest)) check_quota(db, repository, blob_bytes(db, digest));
    link_blob(db, repository, digest);
  };
  co_await database_->write(work);
  co_return mounted;
}

Task<bool> Catalog::renew_blob(std::string repository, std::string digest, std::int64_t before) {
  {
    db::Statement row = reader_->prepare("SELECT since FROM links WHERE repository = ? AND digest = ?");
    row.bind(1, repository).bind(2, digest);
    if (!row.step()) co_return false;
    if (row.number(0) >= before) co_return true;
  }
  bool there = false;
  const auto work = [&](db::Connection& db) {
    there = has_row(db, kLinkRow, repository, digest);
    if (there) link_blob(db, repository, digest);
  };
  co_await database_->write(work);
  co_return there;
}

Task<bool> Catalog::remove_blob(std::string repository, std::string digest) {
  bool removed = false;
  const auto work = [&](db::Connection& db) {
    removed = has_row(db, kLinkRow, repository, digest);
    db.prepare("DELETE FROM links WHERE repository = ? AND digest = ?").bind(1, repository).bind(2, digest).run();
  };
  co_await database_->write(work);
  co_return removed;
}

Task<void> Catalog::put_manifest(std::string repository, std::string tag, NewManifest manifest, TagRule rule,
                                 References references) {
  const auto work = [&](db::Connection& db) {
    if (references == References::checked) check_references(db, repository, manifest);
    if (rule == TagRule::immutable_tags && !tag.empty()) check_tag_rule(db, repository, tag, manifest.digest);
    if (!has_row(db, kManifestRow, repository, manifest.digest)) {
      check_quota(db, repository, static_cast<std::int64_t>(manifest.text.size()));
    }
    // Also where the file has gone or is damaged: pushing again mends it.
    if (!has_row(db, kBlobRow, manifest.digest) || !files_.holds(manifest.digest, manifest.text)) {
      files_.put(manifest.digest, manifest.text);
      unsynced_.insert(archive::algorithm_of(manifest.digest));
      db.prepare("INSERT OR REPLACE INTO blobs(digest, size) VALUES(?, ?)")
          .bind(1, manifest.digest)
          .bind(2, static_cast<std::int64_t>(manifest.text.size()))
          .run();
    }
    db.prepare("INSERT OR IGNORE INTO repositories(name) VALUES(?)").bind(1, repository).run();
    insert_manifest(db, repository, manifest);
    if (!tag.empty()) set_tag(db, repository, tag, manifest.digest);
  };
  co_await write_with_file(manifest.digest, work);
}

Task<void> Catalog::tag_manifest(std::string repository, std::string tag, std::string digest) {
  const auto work = [&](db::Connection& db) {
    if (has_row(db, kManifestRow, repository, digest)) set_tag(db, repository, tag, digest);
  };
  // Asked for at each pull through a cache, and nearly always so already.
  const auto now_there = find_manifest(repository, tag);
  if (!now_there || now_there->digest != digest) co_await database_->write(work);
}

Task<void> Catalog::touch_manifest(std::string repository, std::string digest) {
  const auto work = [&](db::Connection& db) {
    db.prepare("UPDATE manifests SET since = ? WHERE repository = ? AND digest = ?")
        .bind(1, seconds_now())
        .bind(2, repository)
        .bind(3, digest)
        .run();
  };
  co_await database_->write(work);
}

Task<bool> Catalog::remove_manifest(std::string repository, std::string digest, TagRule rule) {
  bool removed = false;
  const auto work = [&](db::Connection& db) {
    if (rule == TagRule::immutable_tags &&
        has_row(db, "SELECT 1 FROM tags WHERE repository = ? AND digest = ?", repository, digest)) {
      throw tags_are_immutable();
    }
    removed = has_row(db, kManifestRow, repository, digest);
    erase_manifest(db, repository, digest);
  };
  co_await database_->write(work);
  co_return removed;
}

Task<bool> Catalog::remove_tag(std::string repository, std::string tag) {
  bool removed = false;
  const auto work = [&](db::Connection& db) {
    removed = has_row(db, "SELECT 1 FROM tags WHERE repository = ? AND name = ?", repository, tag);
    db.prepare("DELETE FROM tags WHERE repository = ? AND name = ?").bind(1, repository).bind(2, tag).run();
  };
  co_await database_->write(work);
  co_return removed;
}

}  // namespace berth::registry::server
