// The small languages in requests and command lines: users, ports, mounts, references, filters, durations, signals. The
// first byte chooses one, so that each has its own seeds.

#include <string>

#include "base/core/time.h"
#include "base/http/message.h"
#include "container/ports.h"
#include "container/restart_policy.h"
#include "container/signals.h"
#include "engine/container_setup.h"
#include "engine/filters.h"
#include "engine/go_duration.h"
#include "engine/setup/parts.h"
#include "fuzz/fuzz.h"
#include "oci/digest.h"
#include "oci/reference.h"
#include "runtime/init/users.h"

namespace berth {
namespace {

void user(fuzz::Input& input) {
  const std::string_view wanted = input.line();
  const std::vector<std::string> extra = split(input.line(), ',');
  const std::string_view passwd = input.rest(), group = passwd.substr(passwd.size() / 2);
  const auto identity = runtime::init::find_identity(wanted, extra, passwd, group);
  fuzz::require(identity.uid <= 0x7fffffff && identity.gid <= 0x7fffffff, "an ID is one that Linux has");
  fuzz::require(std::ranges::is_sorted(identity.groups), "groups are in order");
  fuzz::require(std::ranges::find(identity.groups, identity.gid) != identity.groups.end(), "with the primary one");
  fuzz::require(!identity.home.empty() && !runtime::init::home_of(identity.uid, passwd).empty(),
                "everybody has a home");
}

void port(fuzz::Input& input) {
  const std::string_view text = input.rest();
  fuzz::accepted([&] {
    const container::PortRange range = container::parse_port_range(text);
    fuzz::require(
        range.first <= range.last && (text.empty() || range.last != 0 || text.find_first_of("123456789") == text.npos),
        "a range goes upwards");
  });
  const container::Port port = container::parse_port(text);
  fuzz::require(port.number != 0 && container::parse_port(container::to_string(port)) == port,
                "a port is shown as it is");
}

void reference(fuzz::Input& input) {
  fuzz::accepted([&] { oci::check_tag(input.rest()); });
  const oci::Reference reference = oci::parse_reference(input.rest());
  fuzz::require(oci::parse_reference(reference.full()) == reference, "the full form means the same");
  fuzz::require(oci::parse_reference(reference.familiar()) == reference, "the familiar form means the same");
  fuzz::require(!reference.with_default_tag().tag.empty() || !reference.digest.empty(), "a name has a version");
}

void filters(fuzz::Input& input) {
  const engine::Filters filters = engine::Filters::parse(input.rest());
  fuzz::accepted([&] { filters.get_bool("dangling", false); });
  fuzz::accepted([&] { filters.check_names({"label", "name"}); });
  filters.match_labels({{"a", "b"}, {"", ""}});
}

void duration(fuzz::Input& input) {
  const auto time = engine::parse_go_duration(input.rest());
  if (!time) return;
  const bool negative = input.rest().starts_with('-');
  fuzz::require(negative ? time->count() <= 0 : time->count() >= 0, "a duration has its sign");
  const std::string shown = cat(time->count(), "ns");
  fuzz::require(engine::parse_go_duration(shown) == time, "a duration in nanoseconds is the same one");
}

void signal(fuzz::Input& input) {
  const int number = container::parse_signal(input.rest());
  fuzz::require(number != 0, "no signal is 0");
  if (container::is_signal(number)) {
    fuzz::require(container::parse_signal(container::signal_name(number)) == number, "a signal's name is its own");
  }
}

void mounts(fuzz::Input& input) {
  const std::string text{input.rest()};
  fuzz::accepted([&] { engine::parse_volumes_from(text); });
  fuzz::accepted([&] { engine::setup::tmpfs_options(text); });
  fuzz::accepted([&] { engine::setup::check_tmpfs_destination(text); });
  fuzz::accepted([&] { engine::setup::parse_device_rule(text); });
  const std::string clean = engine::setup::clean_path(text);
  fuzz::require(engine::setup::clean_path(clean) == clean, "a clean path stays as it is");
  const container::MountPoint point = engine::setup::parse_bind(text, "");
  fuzz::require(point.destination.starts_with('/') && point.destination != "/", "a mount is below the root");
  fuzz::require(point.type == "bind" || point.type == "volume", "-v makes binds and volumes");
  if (point.type == "bind") fuzz::require(point.source.starts_with('/'), "a bind's source is absolute");
  if (point.type == "volume") fuzz::require(point.name.find('/') == std::string::npos, "a volume's name is no path");
}

void query(fuzz::Input& input) {
  const http::Query query = http::Query::parse(input.rest());
  for (const std::string& value : query.all("a"))
    fuzz::require(value.size() <= input.rest().size(), "decoding shortens");
  http::percent_decode(input.rest(), true);
}

void time(fuzz::Input& input) {
  const std::optional<Time> time = parse_time(input.rest());
  if (time) fuzz::require(parse_time(format_time(*time)) == time, "a time is shown as it is");
}

}  // namespace
}  // namespace berth

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace berth;
  fuzz::Input input{data, size};
  const auto parse = [&] {
    switch (input.byte()) {
      case 'u': return user(input);
      case 'p': return port(input);
      case 'r': return reference(input);
      case 'f': return filters(input);
      case 'd': return duration(input);
      case 's': return signal(input);
      case 'm': return mounts(input);
      case 'q': return query(input);
      case 't': return time(input);
      default: return;
    }
  };
  fuzz::accepted(parse);
  return 0;
}
