#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace berth::runtime::seccomp {

/// Compiled filters, in memory and on disk (<folder>/<hash>.bpf), so that a start never waits for the compiler after
/// the first time. Safe from several threads. A file that is torn, foreign or of another profile is compiled anew.
class Cache {
 public:
  /// `folder` "" keeps nothing on disk; it is made when first needed.
  explicit Cache(std::string folder) : folder_(std::move(folder)) {}

  /// `profile`: JSON, or "" for the default one. The filter for a container with these capabilities, as compile()
  /// gives.
  std::string program(const std::string& profile, const std::vector<std::string>& capabilities);

 private:
  std::string load(const std::string& key) const;
  void store(const std::string& key, const std::string& program) const;
  std::string path_of(const std::string& key) const;

  std::string folder_;
  std::mutex mutex_;
  std::map<std::string, std::string> programs_;
};

}  // namespace berth::runtime::seccomp
