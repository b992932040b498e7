// The body of POST /containers/create, from its bytes to the runtime spec: whatever is accepted must survive the trip
// through the state database, be shown again as it was taken, and be accepted when it is sent again.

#include <map>
#include <string>
#include <vector>

#include "api/server/json_body.h"
#include "container/ports.h"
#include "engine/container_setup.h"
#include "engine/setup/parts.h"
#include "fuzz/fuzz.h"

namespace berth {
namespace {

const image::ResolvedImage& image_of_nothing() {
  static const image::ResolvedImage kImage = [] {
    image::ResolvedImage image;
    image.id = "sha256:0";
    image.os = "linux";
    image.architecture = "amd64";
    image.config.cmd.items = {"sh"};
    image.config.env = {"PATH=/bin"};
    return image;
  }();
  return kImage;
}

void check_record(const container::CreateRequest& request, const engine::SetupDefaults& defaults) {
  container::Record record{.id = "0123456789abcdef", .name = "fuzz"};
  record.config = request;
  record.host_config = request.host_config;
  record.networking = request.networking_config;
  std::tie(record.path, record.args) = engine::program_of(request);
  if (!fuzz::accepted([&] { record.mount_points = engine::resolve_mount_points(request, {}); })) return;
  const std::string row = json::to_json(record);
  fuzz::require(json::to_json(json::from_json<container::Record>(row)) == row, "a row is read as it was written");
  engine::limits_of(record.host_config);
  try {
    engine::log_target_of(record, "/c", "/logger");
  } catch (const Error& error) {  // what is wrong with a log's options is found by the start, and is its failure
    fuzz::require(error.kind() == ErrorKind::system, "a start that fails");
  }
  container::published_ports(record.config, record.host_config);
  fuzz::accepted([&] { engine::build_spec(record, defaults, {.container_dir = "/c", .hostname = "h"}); });
}

void check_body(std::string_view body) {
  const auto request = api::decode_body<container::CreateRequest>(body);
  const std::string shown = json::to_json(request);
  fuzz::require(json::to_json(json::from_json<container::CreateRequest>(shown)) == shown,
                "what is shown reads as what is meant");
  engine::check_create(request, "/fuzz");
  engine::SetupDefaults defaults;
  defaults.host.cpus = "0-3";
  defaults.host.mems = "0";
  std::vector<std::string> warnings;
  container::CreateRequest prepared = request;
  engine::prepare_create(prepared, image_of_nothing(), defaults, warnings);
  check_record(prepared, defaults);
}

}  // namespace
}  // namespace berth

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  berth::fuzz::accepted([&] { berth::check_body({reinterpret_cast<const char*>(data), size}); });
  return 0;
}
