#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

namespace berth::runtime::init {

/// Who a process runs as, with all numbers known.
struct Identity {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;  ///< supplementary
  std::string home = "/";     ///< from passwd; "/" for a user without an entry
};

/// Looks "name-or-uid[:group-or-gid]" up in the texts of /etc/passwd and /etc/group; "" is root. `extra_groups` are
/// names or numbers of --group-add. A user without explicit group also gets the groups that list it.
/// Throws invalid with Docker's texts: "unable to find user x: no matching entries in passwd file", and likewise for
/// groups. Spec: moby/sys user.GetExecUser, whose rules these are.
Identity find_identity(std::string_view user, const std::vector<std::string>& extra_groups, std::string_view passwd,
                       std::string_view group);

/// The home folder of `uid` in the text of /etc/passwd, "/" without an entry.
std::string home_of(uid_t uid, std::string_view passwd);

/// Content of /etc/passwd or /etc/group as seen by the caller; "" when it is missing or is no regular file. At most
/// 16 MiB: an image may bring anything under that name.
std::string read_account_file(const std::string& path);

}  // namespace berth::runtime::init
