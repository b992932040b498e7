#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

/// Docker's `local` volume driver: folders below <data root>/volumes. All calls block.
namespace berth::volume {

using Options = std::map<std::string, std::string>;

class LocalDriver {
 public:
  explicit LocalDriver(std::string root);  ///< makes the folder

  /// Throws invalid for a name or an option that Docker's local driver would not take.
  static void check(const std::string& name, const Options& options);
  static bool needs_mount(const Options& options);  ///< `type`, `device` or `o` are given

  std::string data_dir(const std::string& name) const;  ///< <root>/<name>/_data
  void make(const std::string& name) const;             ///< safe to call twice
  void remove(const std::string& name) const;           ///< absence is no error; never goes through a mount
  std::uint64_t size(const std::string& name) const;
  std::vector<std::string> list() const;  ///< names on disk

  void mount(const std::string& name, const Options& options) const;  ///< nothing when it is mounted already
  void unmount(const std::string& name) const;                        ///< nothing when it is not

  /// Puts what an image has at `path` into the volume, if the volume is empty: files with owner, mode, times and
  /// extended attributes. `lower_dirs` are the image's layers as folders, topmost first, with overlay whiteouts.
  void copy_up(const std::string& name, const std::vector<std::string>& lower_dirs, const std::string& path) const;

 private:
  std::string root_;
};

}  // namespace berth::volume
