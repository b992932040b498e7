#include "engine/container_views.h"
namespace berth::engine { void PublishedPorts::write_json(std::string& out, const PublishedPorts&) { out += "null"; } }
