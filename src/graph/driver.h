#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/core/stream.h"

/// Docker's graphdriver: layers on disk. A layer is a folder of files, immutable once it has its name; a read-write
/// layer belongs to one container and lies on top of a chain of them.
namespace berth::graph {

/// What a container needs to mount its root; see runtime::shim::RootMount, which the engine fills from it.
struct RootPaths {
  bool overlay = true;                  ///< false (vfs): `upper_dir` is the whole tree
  std::vector<std::string> lower_dirs;  ///< absolute, topmost first
  std::string upper_dir, work_dir;
};

class LayerWriter {
 public:
  virtual ~LayerWriter() = default;
  /// The folder to unpack into (overlay2: OCI whiteouts must already be turned into the driver's form).
  virtual const std::string& dir() const = 0;
  /// Syncs and names the layer; when a layer of that name is there already, drops this one.
  virtual void commit(const std::string& chain_id) = 0;
};

/// All calls block. Safe to call from several threads; two calls about one layer are ordered by the caller.
class Driver {
 public:
  virtual ~Driver() = default;
  virtual std::string name() const = 0;  ///< "overlay2", "vfs"

  /// A staging folder for a new layer on `parent` ("" for none); gone again unless committed.
  virtual std::unique_ptr<LayerWriter> begin_layer(const std::string& parent_chain_id) = 0;
  virtual bool has_layer(const std::string& chain_id) const = 0;
  virtual std::string layer_dir(const std::string& chain_id) const = 0;  ///< throws not_found, saying what to do
  virtual void remove_layer(const std::string& chain_id) = 0;
  virtual std::vector<std::string> list_layers() const = 0;

  /// Makes the read-write layer of a container over `chain_ids` (bottom first; may be empty). Throws not_found when
  /// a layer is missing on disk ("layer sha256:… of this image is missing; load or pull the image again").
  virtual RootPaths create_container_layer(const std::string& container_id,
                                           const std::vector<std::string>& chain_ids) = 0;
  virtual RootPaths container_layer(const std::string& container_id, const std::vector<std::string>& chain_ids) const = 0;
  virtual void remove_container_layer(const std::string& container_id) = 0;  ///< absence is no error
  virtual std::vector<std::string> list_container_layers() const = 0;
  virtual std::uint64_t container_layer_size(const std::string& container_id) const = 0;  ///< bytes written on top
  /// Key/value pairs as `docker info` shows them ("Backing Filesystem" …).
  virtual std::vector<std::pair<std::string, std::string>> status() const = 0;
};

/// `driver_name` "" picks overlay2 where it works below `root`, else vfs. Removes what earlier runs left half done.
std::unique_ptr<Driver> open_driver(const std::string& root, const std::string& driver_name);

}  // namespace berth::graph
