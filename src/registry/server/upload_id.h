#pragma once

#include <string>
#include <string_view>

namespace berth::registry::server {

/// The name of an upload, which nobody can guess. It fits one repository, without a word about that on the disk: who
/// may write to one can't finish another's upload. It is also its file's name.
std::string new_upload_id(std::string_view repository);
bool is_upload_id(std::string_view text, std::string_view repository);

}  // namespace berth::registry::server
