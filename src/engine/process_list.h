#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "engine/containers.h"

/// What GET /containers/{id}/top makes of the host's ps. Pure.
namespace berth::engine {

/// Throws system with dockerd's text when the arguments would give another column the name that the process's ID is
/// looked for under: "-o comm=PID" would show the processes of others.
void check_ps_arguments(std::string_view arguments);

/// "-eo pid,cmd" to words, without empty ones.
std::vector<std::string> split_ps_arguments(std::string_view arguments);

/// Titles and the lines of `pids`, as many fields as titles (what is too many belongs to the last). With threads (m)
/// their lines, which have "-" for the ID, follow their process. Throws system with dockerd's texts.
ProcessList parse_ps_output(std::string_view output, const std::vector<pid_t>& pids);

}  // namespace berth::engine
