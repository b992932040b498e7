#include "container/record.h"

namespace berth::container {

std::string_view to_string(Status status) {
  switch (status) {
    case Status::created: return "created";
    case Status::running: return "running";
    case Status::paused: return "paused";
    case Status::restarting: return "restarting";
    case Status::removing: return "removing";
    case Status::exited: return "exited";
    case Status::dead: return "dead";
  }
  return "dead";
}

}  // namespace berth::container
