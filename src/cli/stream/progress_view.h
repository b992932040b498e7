#pragma once

#include <functional>
#include <map>
#include <string>

namespace berth::cli {

/// Shows Docker's progress messages: on a terminal each layer has a line that is drawn anew, elsewhere every step is a
/// line and the bars are left out. Spec: moby pkg/jsonmessage.
class ProgressView {
 public:
  using Say = std::function<void(const std::string&)>;
  ProgressView(Say say, bool terminal) : say_(std::move(say)), terminal_(terminal) {}

  /// One JSON line of the stream. Throws the error that it reports.
  void show(const std::string& line);

 private:
  void draw(const std::string& id, const std::string& text);

  Say say_;
  bool terminal_;
  std::map<std::string, int> rows_;  ///< by id, counted from the top
  std::string last_;
};

}  // namespace berth::cli
