#include "archive/recipe.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "base/core/binary.h"
#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"

namespace berth::archive {

namespace {

constexpr std::size_t kFlushBytes = 64 << 10;
constexpr std::size_t kMaxMoves = 100'000;
constexpr std::size_t kCopyBytes = 512 << 10;
constexpr char kRaw = 'R', kFile = 'F';

template <class T>
std::string_view bytes_of(const T& number) {
  return {reinterpret_cast<const char*>(&number), sizeof number};
}

/// Exact reads from a source.
class Records {
 public:
  explicit Records(ByteSource& origin) : origin_(origin) {}

  bool at_end() { return !kind_ && !(kind_ = read_kind()); }
  char take_kind() {
    const char kind = *kind_;
    kind_.reset();
    return kind;
  }
  template <class T>
  T number() {
    T value{};
    read(reinterpret_cast<char*>(&value), sizeof value);
    return value;
  }
  void read(char* buffer, std::size_t size) {
    while (size != 0) {
      const std::size_t got = origin_.read(buffer, size);
      if (got == 0) throw invalid("the layer's recipe is truncated");
      buffer += got;
      size -= got;
    }
  }

 private:
  std::optional<char> read_kind() {
    char kind = 0;
    if (origin_.read(&kind, 1) == 0) return std::nullopt;
    return kind;
  }

  ByteSource& origin_;
  std::optional<char> kind_;
};

void copy_range(sys::FdRef file, const std::string& path, std::uint64_t offset, std::uint64_t size, ByteSink& target,
                std::string& buffer) {
  while (size != 0) {
    const std::size_t wanted = std::min<std::uint64_t>(size, buffer.size());
    const auto got =
        sys::retry_on_eintr([&] { return ::pread(file.get(), buffer.data(), wanted, static_cast<off_t>(offset)); });
    if (got < 0) throw errno_error("read", path);
    if (got == 0) throw system_error(cat("read ", path, ": the file has become shorter"));
    target.write({buffer.data(), static_cast<std::size_t>(got)});
    offset += static_cast<std::uint64_t>(got);
    size -= static_cast<std::uint64_t>(got);
  }
}

}  // namespace

void RecipeWriter::raw(std::string_view bytes) {
  pending_.append(bytes);
  if (pending_.size() >= kFlushBytes) flush();
}

void RecipeWriter::flush() {
  if (pending_.empty()) return;
  std::string head{kRaw};
  head += bytes_of(static_cast<std::uint32_t>(pending_.size()));
  zstd_.write(head);
  zstd_.write(pending_);
  pending_.clear();
}

void RecipeWriter::file(const std::string& path, std::uint64_t offset, std::uint64_t size) {
  flush();
  std::string record{kFile};
  record += bytes_of(offset);
  record += bytes_of(size);
  record += bytes_of(static_cast<std::uint32_t>(path.size()));
  record += path;
  zstd_.write(record);
  ++files_;
}

void RecipeWriter::moved(const std::string& path, const std::string& kept) {
  if (moves_.size() == kMaxMoves) throw invalid("the archive replaces its own entries too often");
  moves_.push_back({files_, path, kept});
}

void RecipeWriter::finish() {
  flush();
  zstd_.finish();
}

std::string RecipeWriter::moves() const {
  if (moves_.empty()) return {};
  binary::Writer writer;
  writer.put(moves_);
  return writer.take();
}

/// Finds where a file is after all moves.
class MoveTable {
 public:
  explicit MoveTable(std::string_view encoded) {
    if (encoded.empty()) return;
    binary::Reader reader{encoded};
    std::vector<RecipeWriter::Move> moves;
    reader.get(moves);
    for (RecipeWriter::Move& move : moves) by_path_[move.path].push_back(std::move(move));
  }

  /// `ordinal`: how many file records came before this one.
  std::string find(const std::string& path, std::uint64_t ordinal) const {
    if (by_path_.empty()) return path;
    const RecipeWriter::Move* first = nullptr;
    for (std::size_t end = path.size(); end != std::string::npos && end != 0; end = path.rfind('/', end - 1)) {
      const auto at = by_path_.find(path.substr(0, end));
      if (at == by_path_.end()) continue;
      const auto later = std::upper_bound(at->second.begin(), at->second.end(), ordinal,
                                          [](std::uint64_t n, const auto& move) { return n < move.files_before; });
      // The earliest move takes the file away; what is kept never moves again.
      if (later != at->second.end() && (first == nullptr || later->files_before < first->files_before)) first = &*later;
    }
    return first == nullptr ? path : cat(first->kept, path.substr(first->path.size()));
  }

 private:
  std::map<std::string, std::vector<RecipeWriter::Move>> by_path_;
};

void rebuild_archive(ByteSource& recipe, std::string_view moves, sys::FdRef folder, ByteSink& target) {
  const std::unique_ptr<ByteSource> plain = decompress(recipe, Compression::zstd);
  const MoveTable table{moves};
  Records records{*plain};
  std::string buffer(kCopyBytes, '\0');
  for (std::uint64_t files = 0; !records.at_end();) {
    const char kind = records.take_kind();
    if (kind == kRaw) {
      for (std::uint32_t left = records.number<std::uint32_t>(); left != 0;) {
        const std::size_t piece = std::min<std::size_t>(left, buffer.size());
        records.read(buffer.data(), piece);
        target.write({buffer.data(), piece});
        left -= static_cast<std::uint32_t>(piece);
      }
    } else if (kind == kFile) {
      const auto offset = records.number<std::uint64_t>();
      const auto size = records.number<std::uint64_t>();
      const auto length = records.number<std::uint32_t>();
      if (length > 2 * PATH_MAX) throw invalid("the layer's recipe is damaged");
      std::string path(length, '\0');
      records.read(path.data(), length);
      const std::string now_at = table.find(path, files++);
      const sys::UniqueFd file = sys::open_in_root(folder, now_at, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
      copy_range(file, now_at, offset, size, target, buffer);
    } else {
      throw invalid("the layer's recipe is damaged");
    }
  }
}

}  // namespace berth::archive
