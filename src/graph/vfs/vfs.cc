#include "graph/vfs/vfs.h"

#include <algorithm>
#include <mutex>

#include "base/core/text.h"
#include "base/sys/file.h"
#include "graph/layer_folders.h"
#include "graph/tree.h"

namespace berth::graph {

namespace {

class Vfs : public LayerFolders {
 public:
  explicit Vfs(std::string root) : LayerFolders(std::move(root)) {}

  std::string name() const override { return "vfs"; }

  RootPaths container_layer(const std::string& container_id, const std::vector<std::string>&) const override {
    RootPaths paths;
    paths.overlay = false;
    paths.upper_dir = cat(container_folder(container_id), "/fs");
    return paths;
  }

  ContainerTrees container_trees(const std::string& container_id,
                                 const std::vector<std::string>& chain_ids) const override {
    ContainerTrees trees{.upper = cat(container_folder(container_id), "/fs"), .lower = {}, .upper_is_whole = true};
    if (!chain_ids.empty()) trees.lower.push_back(cat(layer_folder(chain_ids.back()), "/fs"));
    return trees;
  }

  /// What the copy has grown beyond what it was copied from.
  std::uint64_t container_layer_size(const std::string& container_id) const override {
    const std::string folder = container_folder(container_id);
    const std::uint64_t now = sys::disk_usage(cat(folder, "/fs"));
    const auto base =
        parse_number<std::uint64_t>(trim(sys::read_file_if_exists(cat(folder, "/base_size")).value_or("")));
    return now - std::min(now, base.value_or(now));
  }

  std::vector<std::pair<std::string, std::string>> status() const override { return {}; }

 protected:
  /// Pulled layers come in any order: without its parent a layer gets its tree when a container wants it.
  void prepare_layer(const std::string& staging, const std::string& parent_chain_id) override {
    if (parent_chain_id.empty() || has_tree(parent_chain_id)) make_tree(staging, parent_chain_id);
  }

  void prepare_container(const std::string& folder, const std::vector<std::string>& chain_ids) override {
    make_trees(chain_ids);
    const std::string tree = cat(folder, "/fs");
    sys::make_dir(tree, 0755);
    if (!chain_ids.empty()) copy_tree(cat(layer_folder(chain_ids.back()), "/fs"), tree, CopyMode::full);
    sys::write_file(cat(folder, "/base_size"), cat(sys::disk_usage(tree)));
  }

 private:
  bool has_tree(const std::string& chain_id) const {
    return has_layer(chain_id) && sys::exists(cat(layer_folder(chain_id), "/fs"));
  }

  void make_trees(const std::vector<std::string>& chain_ids) {
    const std::lock_guard lock{trees_};
    std::string parent;
    for (const std::string& chain : chain_ids) {
      if (!has_tree(chain)) make_tree(layer_folder(chain), parent);
      parent = chain;
    }
  }

  /// A tree has its name when it is whole.
  void make_tree(const std::string& folder, const std::string& parent_chain_id) {
    const std::string tree = cat(folder, "/fs"), partial = cat(folder, "/fs-partial");
    sys::remove_tree(partial);
    sys::make_dir(partial, 0755);
    try {
      if (!parent_chain_id.empty()) {
        copy_tree(cat(layer_folder(parent_chain_id), "/fs"), partial, CopyMode::hard_link);
      }
      apply_overlay_diff(cat(folder, "/diff"), partial);
      sys::rename(partial, tree);
    } catch (...) {
      sys::remove_tree(partial);
      throw;
    }
  }

  std::mutex trees_;  ///< of named layers are made one after the other
};

}  // namespace

std::unique_ptr<Driver> open_vfs(const std::string& root) { return std::make_unique<Vfs>(root); }

}  // namespace berth::graph
