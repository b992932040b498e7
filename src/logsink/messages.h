#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "logfile/record.h"
#include "logsink/config.h"

namespace berth::logsink {

/// Messages on their way, one behind the other.
class Messages {
 public:
  std::string bytes;                             ///< append here,
  void end() { ends_.push_back(bytes.size()); }  ///< then this
  std::size_t count() const { return ends_.size(); }
  std::string_view message(std::size_t index) const {
    const std::size_t begin = begin_of(index);
    return std::string_view{bytes}.substr(begin, ends_[index] - begin);
  }
  std::size_t begin_of(std::size_t index) const { return index == 0 ? 0 : ends_[index - 1]; }
  std::size_t end_of(std::size_t index) const { return ends_[index]; }
  void clear() {
    bytes.clear();
    ends_.clear();
  }

 private:
  std::vector<std::size_t> ends_;
};

/// Makes an entry a message of a protocol: none if the protocol has no place for it, several if it needs them.
class Encoder {
 public:
  virtual ~Encoder() = default;
  virtual void encode(const logfile::Record& entry, Messages& out) = 0;
};

std::unique_ptr<Encoder> make_encoder(const Config& config);

}  // namespace berth::logsink
