#pragma once

#include <string>

namespace berth {

/// The daemon's pid in a file, as dockerd writes it; removed at the end. Throws conflict when another daemon that is
/// alive stands there ("process with PID 12 is still running"). "" writes nothing.
class PidFile {
 public:
  explicit PidFile(std::string path);
  ~PidFile();
  PidFile(const PidFile&) = delete;
  PidFile& operator=(const PidFile&) = delete;

 private:
  std::string path_;
};

}  // namespace berth
