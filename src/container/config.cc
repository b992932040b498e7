#include "container/config.h"

namespace berth::container {

void ConsoleSize::read_json(const boost::json::value& in, ConsoleSize& out) {
  std::vector<std::uint64_t> numbers;
  json::Reader::get(in, numbers, "HostConfig", "ConsoleSize");
  numbers.resize(2);  // Go's [2]uint: what is missing is 0, what is more is dropped
  out = {.height = numbers[0], .width = numbers[1]};
}

void ConsoleSize::write_json(std::string& out, const ConsoleSize& value) {
  out += cat('[', value.height, ',', value.width, ']');
}

}  // namespace berth::container
