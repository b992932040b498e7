#include "oci/container_config.h"

namespace berth::oci {

void StringList::read_json(const boost::json::value& in, StringList& out) {
  if (in.is_string()) {
    out.items = {std::string{std::string_view{in.get_string()}}};
  } else {
    json::Reader::get(in, out.items, "", "Cmd");
  }
  out.given = true;
}

void StringList::write_json(std::string& out, const StringList& value) {
  if (!value.given) {
    out += "null";
  } else {
    json::Writer{out}.put(value.items);
  }
}

}  // namespace berth::oci
