#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/core/time.h"
#include "base/db/database.h"
#include "registry/server/blob_files.h"

namespace berth::registry::server {

struct StoredManifest {
  std::string digest, media_type;
  std::int64_t size = 0;
  std::int64_t since = 0;  ///< seconds since the epoch: when it came, or was last asked for in a cache
};

/// A manifest as it is put: what of its content others ask for.
struct NewManifest {
  std::string digest, media_type, text;
  std::string artifact_type, annotations_json;  ///< for the referrers list; annotations_json "" for none
  std::string subject;                          ///< digest, or ""
  std::vector<std::string> blobs;               ///< must be there, in this repository
  std::vector<std::string> manifests;           ///< of an index; need not be there
};

struct Referrer {
  std::string media_type, digest, artifact_type, annotations_json;
  std::int64_t size = 0;
};

struct Page {
  std::vector<std::string> names;
  bool more = false;
};

struct ReferrersWish {
  std::string artifact_type;  ///< "" is any
  std::string after;          ///< digest
  std::int64_t count = 0;
};

/// By digest. Manifests may be as large as their annotations make them: a page ends also where it has become long.
struct ReferrersPage {
  std::vector<Referrer> entries;
  bool more = false;

  /// False when it is full: there is more.
  bool add(Referrer entry, const ReferrersWish& wish);

 private:
  std::size_t bytes_ = 0;
};

/// What exists, who may be asked for it, and what may go: one SQLite database, <root>/registry.db. Writes are durable
/// when their task ends, and one after the other on one thread: files get and lose their names inside of them, so that
/// garbage collection can't race with a push. Reading is done at once on the calling thread (microseconds).
class Catalog {
 public:
  /// `quota_bytes`: what would make a repository larger is refused; 0 for none.
  Catalog(EventLoop& loop, const BlobFiles& files, std::int64_t quota_bytes = 0);
  ~Catalog();

  /// Removes files without a row: what was on its way when the last process ended. Only for the one that serves.
  void sweep_files();

  // Reading, on the loop.
  std::optional<std::uint64_t> find_blob(const std::string& repository, const std::string& digest) const;  ///< bytes
  bool has_blob(const std::string& digest) const;  ///< whoever may see it
  std::optional<StoredManifest> find_manifest(const std::string& repository, const std::string& reference) const;
  bool has_repository(const std::string& repository) const;
  Page tags(const std::string& repository, std::int64_t count, const std::string& after) const;
  Page repositories(std::int64_t count, const std::string& after) const;
  ReferrersPage referrers(const std::string& repository, const std::string& subject, const ReferrersWish& wish) const;
  /// Digests of the repository's manifests that name this blob.
  std::vector<std::string> manifests_naming(const std::string& repository, const std::string& digest) const;
  struct Totals {
    std::int64_t repositories = 0, tags = 0, manifests = 0, blobs = 0, bytes = 0;
  };
  Totals totals() const;
  /// Every blob that should be on the disk, with its size; for fsck.
  std::vector<std::pair<std::string, std::int64_t>> all_blobs() const;
  /// Rows that name what has none, and manifests whose text says something else; for fsck. The first are faults; the
  /// others lack blobs or manifests that they name, as in a cache they may, or after a DELETE.
  struct Contradictions {
    std::vector<std::string> faults, lacks;
  };
  Contradictions contradictions() const;
  /// Those that have a row or a file, but not both, while nothing changes; for fsck. Blocks.
  std::vector<std::string> without_match(std::vector<std::string> digests) const;

  // Changing.
  /// Gives a sealed upload its name and its repository the right to it. Throws Refusal.
  Task<void> add_blob(std::string repository, std::string digest, std::shared_ptr<BlobFiles::Upload> upload);
  /// False when nobody has it, or not in `from` ("" is any repository). Throws Refusal.
  Task<bool> mount_blob(std::string repository, std::string digest, std::string from);
  /// For who finds a blob here and will name it in a manifest: the collector leaves it alone as if it had just come.
  /// Nothing happens to what came after `before`. False when the repository hasn't got it.
  Task<bool> renew_blob(std::string repository, std::string digest, std::int64_t before);
  Task<bool> remove_blob(std::string repository, std::string digest);
  enum class TagRule { mutable_tags, immutable_tags };
  enum class References { checked, unchecked };  ///< unchecked: in a cache its blobs may come later
  /// `tag` "" for none. Throws Refusal.
  Task<void> put_manifest(std::string repository, std::string tag, NewManifest manifest, TagRule rule,
                          References references = References::checked);
  /// What is here already; nothing happens when it has gone.
  Task<void> tag_manifest(std::string repository, std::string tag, std::string digest);
  Task<void> touch_manifest(std::string repository, std::string digest);  ///< it is as good as new
  Task<std::int64_t> expire_manifests(std::int64_t before);               ///< with their tags; how many
  /// With its tags. Throws Refusal when there are some and they are immutable.
  Task<bool> remove_manifest(std::string repository, std::string digest, TagRule rule);
  Task<bool> remove_tag(std::string repository, std::string tag);

  struct Collected {
    std::int64_t manifests = 0, blobs = 0, bytes = 0;
    static void describe(auto& self, auto&& field) {
      field("manifests", self.manifests);
      field("blobs", self.blobs);
      field("bytes", self.bytes);
    }
  };
  struct CollectRules {
    std::int64_t grace_seconds = 3600;  ///< what is younger may belong to a push under way
    bool untagged_manifests = false;    ///< also manifests that no tag, index or subject leads to
  };
  enum class Beside { nobody, a_registry };  ///< a_registry: another process serves the folder, or may
  /// Frees what no manifest refers to, a little at a time, while pushes go on.
  Task<Collected> collect(CollectRules rules, Beside beside = Beside::nobody);
  /// What collects or expires ends soon, where it is.
  void end_collecting() { collecting_ends_ = true; }

 private:
  /// A write that gives a file its name; when it fails, the file goes again.
  Task<void> write_with_file(const std::string& digest, const std::function<void(db::Connection&)>& work);
  void sync_folder();
  void check_quota(db::Connection& db, const std::string& repository, std::int64_t more_bytes) const;
  Task<void> collect_step(const std::function<void(db::Connection&)>& work, Beside beside);
  Task<std::int64_t> collect_manifests(std::int64_t before, Beside beside);
  Task<void> collect_links(std::int64_t before, Beside beside);
  Task<Collected> collect_blobs(Beside beside);

  const BlobFiles& files_;
  const std::int64_t quota_bytes_;
  /// Where files got names in this group of writes; the writer's.
  std::set<archive::DigestAlgorithm> unsynced_;
  std::unique_ptr<db::Database> database_;
  std::unique_ptr<db::Connection> reader_;
  bool collecting_ends_ = false;
};

}  // namespace berth::registry::server
