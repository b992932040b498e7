#include "runtime/init/users.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <limits>
#include <optional>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"

namespace berth::runtime::init {
namespace {

/// Calls `use` with the fields of each line until it returns false.
template <class Use>
void for_each_entry(std::string_view text, Use use) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = trim(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.front() == '#') continue;
    if (!use(split(line, ':'))) return;
  }
}

std::string field(const std::vector<std::string>& fields, std::size_t index) {
  return index < fields.size() ? fields[index] : std::string{};
}

struct User {
  std::string name, home;
  uid_t uid = 0;
  gid_t gid = 0;
};

std::optional<uid_t> parse_id(std::string_view text) {
  const auto number = parse_number<std::int64_t>(text);
  if (!number || *number < 0 || *number > std::numeric_limits<std::int32_t>::max()) return std::nullopt;
  return static_cast<uid_t>(*number);
}

/// By name, or by number: the first line that fits either way.
std::optional<User> find_user(std::string_view wanted, std::string_view passwd) {
  const std::optional<uid_t> number = parse_id(wanted);
  std::optional<User> found;
  for_each_entry(passwd, [&](const std::vector<std::string>& fields) {
    const auto uid = parse_id(field(fields, 2));
    if (!uid || (fields[0] != wanted && (!number || *number != *uid))) return true;
    found = User{fields[0], field(fields, 5), *uid, parse_id(field(fields, 3)).value_or(0)};
    return false;
  });
  return found;
}

std::optional<gid_t> find_group(std::string_view wanted, std::string_view group) {
  const std::optional<gid_t> number = parse_id(wanted);
  std::optional<gid_t> found;
  for_each_entry(group, [&](const std::vector<std::string>& fields) {
    const auto gid = parse_id(field(fields, 2));
    if (!gid || (fields[0] != wanted && (!number || *number != *gid))) return true;
    found = *gid;
    return false;
  });
  return found;
}

void add_groups_of(const std::string& user, std::string_view group, std::vector<gid_t>& out) {
  for_each_entry(group, [&](const std::vector<std::string>& fields) {
    const std::vector<std::string> members = split(field(fields, 3), ',');
    const auto gid = parse_id(field(fields, 2));
    if (gid && std::ranges::find(members, user) != members.end()) out.push_back(*gid);
    return true;
  });
}

/// A number that is none of the kernel's, or nobody's name.
Error unknown(std::string_view kind, const std::string& wanted, std::string_view file) {
  const std::string_view digits = std::string_view{wanted}.substr(wanted.starts_with('-') ? 1 : 0);
  if (parse_number<std::uint64_t>(digits)) return invalid("uids and gids must be in range 0-2147483647");
  return invalid(cat("unable to find ", kind, ' ', wanted, ": no matching entries in ", file, " file"));
}

gid_t get_group(const std::string& wanted, std::string_view group) {
  if (const auto found = find_group(wanted, group)) return *found;
  if (const auto number = parse_id(wanted)) return *number;
  throw unknown("group", wanted, "group");
}

}  // namespace

Identity find_identity(std::string_view user, const std::vector<std::string>& extra_groups, std::string_view passwd,
                       std::string_view group) {
  const std::size_t colon = user.find(':');
  std::string user_part{user.substr(0, colon)};
  std::string group_part{colon == std::string_view::npos ? "" : user.substr(colon + 1)};
  group_part.resize(std::min(group_part.find(':'), group_part.size()));  // Docker takes no notice of a third part
  if (user_part.empty()) user_part = "0";

  Identity identity;
  if (const std::optional<User> entry = find_user(user_part, passwd)) {
    identity.uid = entry->uid;
    identity.gid = entry->gid;
    if (!entry->home.empty()) identity.home = entry->home;
    if (group_part.empty()) add_groups_of(entry->name, group, identity.groups);
  } else if (const auto number = parse_id(user_part)) {
    identity.uid = *number;
  } else {
    throw unknown("user", user_part, "passwd");
  }
  if (!group_part.empty()) identity.gid = get_group(group_part, group);
  for (const std::string& extra : extra_groups) {
    const auto found = find_group(extra, group);
    const auto number = found ? found : parse_id(extra);
    if (!number) throw unknown("group", extra, "group");
    identity.groups.push_back(*number);
  }
  // The primary group, too, or a file whose group is denied would be open to it (CVE-2022-36109).
  identity.groups.push_back(identity.gid);
  std::ranges::sort(identity.groups);
  identity.groups.erase(std::ranges::unique(identity.groups).begin(), identity.groups.end());
  return identity;
}

std::string home_of(uid_t uid, std::string_view passwd) {
  const std::optional<User> entry = find_user(cat(uid), passwd);
  return entry && !entry->home.empty() ? entry->home : "/";
}

std::string read_account_file(const std::string& path) {
  try {
    const sys::UniqueFd file = sys::open_file(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    struct stat info{};
    if (::fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode)) return "";
    return sys::read_all(file, 16 << 20);
  } catch (const Error&) {
    return "";
  }
}

}  // namespace berth::runtime::init
