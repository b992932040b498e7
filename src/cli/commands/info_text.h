#pragma once

#include <string>

#include "cli/json_view.h"

namespace berth::cli {

std::string info_client_text(const Json& client);
std::string info_server_text(const Json& info);  ///< of GET /info, as docker lays it out

}  // namespace berth::cli
