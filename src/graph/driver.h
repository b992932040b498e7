#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/core/error.h"
#include "base/core/stream.h"
#include "graph/changes.h"

/// Docker's graphdriver: layers on disk. A layer is a folder of files, immutable once it has its name; a read-write
/// layer belongs to one container and lies on top of a chain of them.
namespace berth::graph {

/// What a container needs to mount its root; see runtime::shim::RootMount, which the engine fills from it.
struct RootPaths {
  bool overlay = true;                  ///< false (vfs): `upper_dir` is the whole tree
  std::vector<std::string> lower_dirs;  ///< absolute, topmost first
  std::string upper_dir, work_dir;
};

/// A layer that is being made, in a staging folder that goes away unless it is committed.
class LayerWriter {
 public:
  virtual ~LayerWriter() = default;
  /// The layer's own folder; whoever makes the layer may keep files of his own in it ("recipe", "kept"), which live
  /// as long as the layer.
  virtual const std::string& folder() const = 0;
  /// folder()/diff, to unpack into. Both drivers take overlayfs's form of whiteouts (archive::Whiteouts::overlay).
  std::string dir() const { return folder() + "/diff"; }
  /// Names the layer; when a layer of that name is there already, drops this one. `parent_chain_id` "" for the lowest.
  /// Durable after Driver::sync().
  virtual void commit(const std::string& chain_id, const std::string& parent_chain_id) = 0;
};

/// All calls block. Safe to call from several threads; two calls about one layer are ordered by the caller.
class Driver {
 public:
  virtual ~Driver() = default;
  virtual std::string name() const = 0;  ///< "overlay2", "vfs"

  virtual std::unique_ptr<LayerWriter> begin_layer() = 0;
  /// A staging folder with the content of an existing layer (hard links: layers never change), for an image that has
  /// the same layer on another parent. Throws not_found.
  virtual std::unique_ptr<LayerWriter> clone_layer(const std::string& chain_id) = 0;
  /// Everything committed until now is on the disk when it returns (one syncfs for all layers of an image). Who
  /// records layers in a database calls it first; layers without a record are dropped at the next start.
  virtual void sync() = 0;
  virtual bool has_layer(const std::string& chain_id) const = 0;
  virtual std::string layer_dir(const std::string& chain_id) const = 0;  ///< the layer's own changes; throws not_found
  virtual std::string layer_folder(const std::string& chain_id) const = 0;  ///< LayerWriter::folder(); throws not_found
  /// Takes the layer away at once; empty_trash() frees its space. False, and nothing done, while containers lie on it.
  /// Absence is no error.
  virtual bool remove_layer(const std::string& chain_id) = 0;
  virtual void empty_trash() = 0;  ///< may take long; safe to be cut off anywhere
  virtual std::vector<std::string> list_layers() const = 0;

  /// Makes the read-write layer of a container over `chain_ids` (bottom first; may be empty). Throws not_found when
  /// a layer is missing on disk ("layer sha256:… of this image is missing; load or pull the image again").
  virtual RootPaths create_container_layer(const std::string& container_id,
                                           const std::vector<std::string>& chain_ids) = 0;
  /// Makes what a power cut took of a container's read-write layer: rows are durable before their folders are. One that
  /// is there stays as it is. Says whether anything was missing; throws like create_container_layer.
  virtual bool restore_container_layer(const std::string& container_id, const std::vector<std::string>& chain_ids) = 0;
  virtual RootPaths container_layer(const std::string& container_id,
                                    const std::vector<std::string>& chain_ids) const = 0;
  /// For changes.h. Throws not_found like create_container_layer.
  virtual ContainerTrees container_trees(const std::string& container_id,
                                         const std::vector<std::string>& chain_ids) const = 0;
  virtual void remove_container_layer(const std::string& container_id) = 0;  ///< absence is no error
  virtual std::vector<std::string> list_container_layers() const = 0;
  virtual std::uint64_t container_layer_size(const std::string& container_id) const = 0;  ///< bytes written on top
  /// Key/value pairs as `docker info` shows them ("Backing Filesystem" …).
  virtual std::vector<std::pair<std::string, std::string>> status() const = 0;
};

/// What to say when the folder of a layer is not there any more.
Error missing_layer(const std::string& chain_id);

/// `driver_name` "" picks overlay2 where it works below `root`, else vfs. Removes what earlier runs left half done.
std::unique_ptr<Driver> open_driver(const std::string& root, const std::string& driver_name);

}  // namespace berth::graph
