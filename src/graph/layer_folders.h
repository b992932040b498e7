#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/core/error.h"
#include "graph/driver.h"

namespace berth::graph {

/// What both drivers share: folders of layers and containers below one root, their names and their safe end.
///
///   <16 hex>/     a layer: diff/, a symlink "chain" that says whose, and what its maker keeps (recipe, kept/, blob)
///   c-<id>/       a container's layer, and a symlink "lower" naming the layers below it, topmost first
///   tmp-<hex>/    being made; removed at the next start
///   trash-<hex>/  being removed; removed at the next start
///
/// Names are short so that 127 of them, taken relative to the root, fit into the page of mount data. Symlinks hold
/// their text in the inode, so that they are there whenever their name is, without an fsync of their own.
class LayerFolders : public Driver {
 public:
  explicit LayerFolders(std::string root);
  ~LayerFolders() override;

  std::unique_ptr<LayerWriter> begin_layer() override;
  std::unique_ptr<LayerWriter> clone_layer(const std::string& chain_id) override;
  void sync() override;
  bool has_layer(const std::string& chain_id) const override;
  std::string layer_dir(const std::string& chain_id) const override;
  std::string layer_folder(const std::string& chain_id) const override;
  bool remove_layer(const std::string& chain_id) override;
  void empty_trash() override;
  std::vector<std::string> list_layers() const override;
  RootPaths create_container_layer(const std::string& container_id, const std::vector<std::string>& chain_ids) override;
  bool restore_container_layer(const std::string& container_id, const std::vector<std::string>& chain_ids) override;
  void remove_container_layer(const std::string& container_id) override;
  std::vector<std::string> list_container_layers() const override;

 protected:
  /// Last work on a staged layer before it gets its name.
  virtual void prepare_layer(const std::string& staging, const std::string& parent_chain_id) = 0;
  /// Fills the fresh folder of a container; `chain_ids` all exist.
  virtual void prepare_container(const std::string& folder, const std::vector<std::string>& chain_ids) = 0;
  std::string container_folder(const std::string& container_id) const { return root_ + "/c-" + container_id; }
  const std::string& root() const { return root_; }

 private:
  friend class StagedLayer;
  void load();
  void name_layer(const std::string& staging, const std::string& chain_id);
  std::string find_folder(const std::string& chain_id) const;  ///< "" when absent; takes the lock
  std::vector<std::string> folders_of(const std::vector<std::string>& chain_ids) const;

  std::string root_;
  mutable std::mutex mutex_;
  std::map<std::string, std::string> folders_;  ///< chain id to folder name
  std::map<std::string, unsigned> uses_;        ///< folder name to containers on it
  std::vector<std::string> trash_;              ///< folder names to be removed
  std::thread sweeper_;
};

}  // namespace berth::graph
