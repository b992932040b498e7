#include "cli/copy/local.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <memory>

#include "archive/chunks.h"
#include "archive/tar_reader.h"
#include "archive/tree_writer.h"
#include "archive/unpack.h"
#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"

namespace berth::cli::copy {

namespace {

constexpr int kMaxSymlinks = 10;

Error go_error(std::string_view call, std::string_view path, int error_number) {
  std::string reason = std::strerror(error_number);  // NOLINT(concurrency-mt-unsafe): one thread
  reason[0] = to_lower(reason.substr(0, 1))[0];
  return {ErrorKind::system, cat(call, " ", path, ": ", reason), error_number};
}

std::string real_path(const std::string& path) {
  const std::unique_ptr<char, decltype(&::free)> real{::realpath(path.c_str(), nullptr), &::free};
  if (!real) throw go_error("lstat", path, errno);
  return real.get();
}

struct stat lstat_of(const std::string& path) {
  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0) throw go_error("lstat", path, errno);
  return info;
}

std::string link_target(const std::string& path) {
  char target[PATH_MAX];
  const ssize_t length = ::readlink(path.c_str(), target, sizeof target);
  if (length < 0) throw go_error("readlink", path, errno);
  return {target, static_cast<std::size_t>(length)};
}

}  // namespace

std::string absolute_path(const std::string& path) {
  if (path.starts_with('/')) return clean_keeping_end(path, path);
  char here[PATH_MAX];
  if (::getcwd(here, sizeof here) == nullptr) throw errno_error("getcwd", "");
  return clean_keeping_end(cat(std::string_view{here}, "/", path), path);
}

Source look_at_source(const std::string& path, bool follow) {
  Source source;
  if (follow) {
    std::tie(source.path, source.rebase_name) = follow_source(path, real_path(path));
  } else {
    // Only the way there is followed, not the last component.
    const std::size_t slash =
        path.find_last_not_of('/') == std::string::npos ? 0 : path.rfind('/', path.find_last_not_of('/'));
    const std::string parent = real_path(slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash));
    source.path = cat(parent == "/" ? "" : parent, "/", path.substr(slash == std::string::npos ? 0 : slash + 1));
  }
  source.is_folder = S_ISDIR(lstat_of(source.path).st_mode);
  return source;
}

Destination look_at_destination(const std::string& given) {
  std::string path = given;
  struct stat info{};
  int result = ::lstat(path.c_str(), &info);
  for (int links = 0; result == 0 && S_ISLNK(info.st_mode); ++links) {
    if (links > kMaxSymlinks) throw invalid(cat("too many symlinks in ", given));
    const std::string target = link_target(path);
    path = target.starts_with('/') ? target : archive::go_clean(cat(split_entry(path).first, "/", target));
    result = ::lstat(path.c_str(), &info);
  }
  if (result == 0) return {.path = path, .exists = true, .is_folder = S_ISDIR(info.st_mode)};
  if (errno != ENOENT) throw go_error("lstat", path, errno);
  const std::string parent = split_entry(path).first;
  if (::stat(parent.c_str(), &info) != 0) throw go_error("stat", parent, errno);
  if (!S_ISDIR(info.st_mode)) throw invalid("not a directory");
  return {.path = path};
}

void pack(const Source& source, const Plan& plan, ByteSink& out) {
  archive::BufferedSink buffered{out};
  archive::TarWriter tar{buffered};
  const auto [parent, base] = split_entry(source.path);
  const std::string given = source.rebase_name.empty() ? base : source.rebase_name;
  const std::string name = plan.old_base == plan.new_base ? given : plan.new_base;
  if (source.is_folder) {
    const sys::UniqueFd folder = sys::open_file(source.path, O_RDONLY | O_DIRECTORY);
    archive::write_tree(folder, tar, {.prefix = name, .include_root = true});
  } else {
    const sys::UniqueFd folder = sys::open_file(parent, O_PATH | O_DIRECTORY);
    archive::EntryWriter{tar}.add(folder.get(), base, name, lstat_of(source.path));
  }
  tar.finish();
  buffered.flush();
}

void unpack(ByteSource& tar, const Plan& plan) {
  archive::TarReader reader{tar};
  archive::Unpacker unpacker{plan.folder, {.ownership = false, .refuse_escapes = true, .keep_kinds = true}};
  while (std::optional<archive::TarEntry> entry = reader.next()) {
    entry->path = renamed(entry->path, plan);
    if (entry->type == archive::EntryType::hard_link) entry->link = renamed(entry->link, plan);
    unpacker.add(*entry, reader);
  }
  reader.drain();
  unpacker.finish();
}

}  // namespace berth::cli::copy
