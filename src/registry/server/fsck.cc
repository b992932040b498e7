#include "registry/server/fsck.h"

#include <set>
#include <vector>

#include "archive/chunks.h"
#include "archive/digest.h"
#include "base/core/text.h"

namespace berth::registry::server {

namespace {

/// Digest and size of what the file really holds.
std::pair<std::string, std::int64_t> read_through(const sys::UniqueFd& file, archive::DigestAlgorithm algorithm) {
  archive::FdSource source{file};
  archive::HashingSource hashed{source, algorithm};
  std::string buffer(1 << 20, '\0');
  while (hashed.read(buffer.data(), buffer.size()) != 0) {
  }
  const auto size = static_cast<std::int64_t>(hashed.count());
  return {hashed.finish(), size};
}

}  // namespace

FsckReport check_store(const BlobFiles& files, const Catalog& catalog, const std::function<void(std::string)>& say) {
  FsckReport report;
  std::set<std::string> known;
  std::vector<std::string> doubtful;
  for (const auto& [digest, size] : catalog.all_blobs()) {
    known.insert(digest);
    ++report.blobs;
    report.bytes += size;
    const auto file = files.open(digest);
    if (!file) {
      doubtful.push_back(digest);
      continue;
    }
    const auto [actual, actual_size] = read_through(*file, archive::algorithm_of(digest));
    if (actual == digest && actual_size == size) continue;
    ++report.damaged;
    say(cat("damaged: ", digest, " holds ", actual_size, " bytes of ", actual));
  }
  for (const std::string& digest : files.list()) {
    if (!known.contains(digest)) doubtful.push_back(digest);
  }
  // A registry that serves meanwhile adds and collects some.
  for (const std::string& digest : catalog.without_match(doubtful)) {
    const bool is_stray = files.open(digest).has_value();
    ++(is_stray ? report.stray : report.missing);
    say(cat(is_stray ? "stray: " : "missing: ", digest));
  }
  const Catalog::Contradictions found = catalog.contradictions();
  for (const std::string& fault : found.faults) say(fault);
  for (const std::string& lack : found.lacks) say(cat("not here: ", lack));
  report.inconsistent = static_cast<std::int64_t>(found.faults.size());
  report.lacking = static_cast<std::int64_t>(found.lacks.size());
  return report;
}

}  // namespace berth::registry::server
