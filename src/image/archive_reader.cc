#include "image/archive_reader.h"

#include <algorithm>

#include "archive/compression.h"
#include "archive/digest.h"
#include "archive/tar_format.h"
#include "archive/tar_reader.h"
#include "archive/unpack.h"
#include "base/core/error.h"
#include "base/core/text.h"
#include "oci/digest.h"

namespace berth::image {

namespace {

constexpr std::size_t kMaxDocumentBytes = 16 << 20, kMaxDocumentsBytes = 64 << 20, kMaxOtherBytes = 64 << 10;
constexpr std::size_t kMaxEntries = 100'000;  // of thousands of images; each is remembered
constexpr std::string_view kBlobs = "blobs/sha256/";

/// The digest that a path of an OCI layout claims; "" for other paths.
std::string claimed_digest(const std::string& path) {
  if (!path.starts_with(kBlobs)) return {};
  std::string digest = cat("sha256:", path.substr(kBlobs.size()));
  return oci::is_digest(digest) ? digest : std::string{};
}

bool looks_like_layer(const std::string& path, std::string_view head) {
  if (path.ends_with(".tar")) return true;
  if (archive::detect_compression(head) != archive::Compression::none) return true;
  if (head.size() < archive::format::kBlock) return false;
  return archive::format::checksum_matches(head) ||
         std::all_of(head.begin(), head.end(), [](char c) { return c == 0; });
}

bool looks_like_json(std::string_view head) {
  head = trim(head);
  return head.starts_with('{') || head.starts_with('[');
}

std::string link_target(const archive::TarEntry& entry) {
  const std::string path = archive::clean_path(entry.path);
  if (entry.type == archive::EntryType::hard_link || entry.link.starts_with('/'))
    return archive::clean_path(entry.link);
  const std::size_t slash = path.rfind('/');
  return archive::clean_path(slash == std::string::npos ? entry.link : cat(path.substr(0, slash), "/", entry.link));
}

class Reading {
 public:
  Reading(archive::TarReader& tar, graph::Driver& driver, const Catalog& catalog, const PinLayer& pin, bool keep_blobs,
          Progress& progress)
      : tar_(tar), driver_(driver), catalog_(catalog), pin_(pin), progress_(progress), keeping_(keep_blobs, [this] {
          drop_kept();
        }) {}

  ArchiveContent run() {
    while (const std::optional<archive::TarEntry> entry = tar_.next()) add(*entry);
    tar_.drain();
    return std::move(content_);
  }

 private:
  void add(const archive::TarEntry& entry) {
    if (++entries_ > kMaxEntries) throw invalid(cat("the archive has more than ", kMaxEntries, " entries"));
    const std::string path = archive::clean_path(entry.path);
    if (entry.type == archive::EntryType::symlink || entry.type == archive::EntryType::hard_link) {
      content_.links[path] = link_target(entry);
    } else if (entry.type == archive::EntryType::file) {
      if (entry.sparse) throw invalid("archive/tar: invalid tar header");
      add_file(path, entry.size);
    }
  }

  void add_file(const std::string& path, std::uint64_t size) {
    archive::EntrySource raw{tar_};
    archive::PeekedSource source{raw};
    const std::string_view head = source.peek(archive::format::kBlock);
    if (looks_like_json(head) && size <= kMaxDocumentBytes) {
      add_document(path, source, size);
    } else if (looks_like_layer(path, head)) {
      add_layer(path, source, size);
    } else if (size <= kMaxOtherBytes) {
      add_document(path, source, size);
    }
  }

  void add_document(const std::string& path, ByteSource& source, std::uint64_t size) {
    documents_bytes_ += size;
    if (documents_bytes_ > kMaxDocumentsBytes) throw invalid("the archive's documents are too large together");
    std::string text(size, '\0');
    std::size_t filled = 0;
    while (filled < size) {
      const std::size_t got = source.read(text.data() + filled, size - filled);
      if (got == 0) throw invalid("unexpected EOF");
      filled += got;
    }
    content_.documents[path] = std::move(text);
  }

  void add_layer(const std::string& path, ByteSource& source, std::uint64_t size) {
    const std::string claimed = claimed_digest(path);
    ArchivedLayer layer;
    layer.archived_size = size;
    const std::optional<LayerRecord> known = claimed.empty() ? std::nullopt : catalog_.find_layer_by_diff(claimed);
    if (known && pin_(*known)) {
      layer.source_chain = known->chain_id;
      layer.size = known->size;
      layer.tar_size = known->tar_size;
      layer.diff_id = layer.blob_digest = digest_of(source);
    } else {
      // dockerd shows the diff ID. Old archives do not tell it before the end; a long load shows their own ID until
      // then.
      const std::string shown = claimed.empty() ? path.substr(0, 12) : oci::short_id(claimed);
      const std::chrono::milliseconds delay{claimed.empty() ? 2000 : 100};
      ProgressSource shown_source{source, progress_, "Loading layer", shown, size, delay};
      layer.made = make_layer(driver_, shown_source, claimed.empty() ? nullptr : &keeping_);
      layer.diff_id = layer.made->diff_id;
      layer.blob_digest = layer.made->blob_digest;
      layer.size = layer.made->size;
      layer.tar_size = layer.made->tar_size;
    }
    if (!claimed.empty() && layer.blob_digest != claimed) {
      throw invalid(cat("invalid layer: expected digest ", quoted(claimed), ", got ", quoted(layer.blob_digest)));
    }
    content_.layers.insert_or_assign(path, std::move(layer));
  }

  /// While the layer after them is read.
  void drop_kept() noexcept {
    for (const auto& [path, layer] : content_.layers) {
      try {
        if (layer.made && layer.made->staged) drop_kept_blob(layer.made->staged->folder());
      } catch (const std::exception&) {  // it is only space that is not won
      }
    }
  }

  static std::string digest_of(ByteSource& source) {
    archive::HashingSource hashed{source};
    std::string buffer(256 << 10, '\0');
    while (hashed.read(buffer.data(), buffer.size()) != 0) {
    }
    return hashed.finish();
  }

  archive::TarReader& tar_;
  graph::Driver& driver_;
  const Catalog& catalog_;
  const PinLayer& pin_;
  Progress& progress_;
  ArchiveContent content_;
  std::uint64_t documents_bytes_ = 0;
  std::size_t entries_ = 0;
  BlobKeeping keeping_;
};

}  // namespace

ArchiveContent read_archive(ByteSource& archive, graph::Driver& driver, const Catalog& catalog, const PinLayer& pin,
                            bool keep_blobs, Progress& progress) {
  archive::PeekedSource origin{archive};
  const std::unique_ptr<ByteSource> plain = archive::decompress(origin, archive::detect_compression(origin.peek(6)));
  archive::TarReader tar{*plain};
  return Reading{tar, driver, catalog, pin, keep_blobs, progress}.run();
}

}  // namespace berth::image
