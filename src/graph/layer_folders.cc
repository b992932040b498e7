#include "graph/layer_folders.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"
#include "graph/tree.h"

namespace berth::graph {

namespace {

constexpr std::size_t kNameLength = 16;
constexpr const char* kNoLayers = "-";  // a symlink cannot be empty

void make_link(const std::string& text, const std::string& path) {
  if (::symlink(text.c_str(), path.c_str()) != 0) throw errno_error("symlink", path);
}

bool is_layer_name(std::string_view name) { return name.size() == kNameLength && is_hex(name); }
bool is_leftover(std::string_view name) { return name.starts_with("tmp-") || name.starts_with("trash-"); }

}  // namespace

Error missing_layer(const std::string& chain_id) {
  return not_found(cat("layer ", chain_id, " of this image is missing; load or pull the image again"));
}

class StagedLayer : public LayerWriter {
 public:
  explicit StagedLayer(LayerFolders& owner) : owner_(owner), staging_(owner.root_, "tmp-") {
    sys::make_dir(dir(), 0755);
  }
  const std::string& folder() const override { return staging_.path(); }
  void commit(const std::string& chain_id, const std::string& parent_chain_id) override {
    if (owner_.has_layer(chain_id)) return;
    owner_.prepare_layer(staging_.path(), parent_chain_id);
    owner_.name_layer(staging_.path(), chain_id);  // the staging name is gone then, or its guard removes it
  }

 private:
  LayerFolders& owner_;
  sys::TemporaryDir staging_;
};

LayerFolders::LayerFolders(std::string root) : root_(std::move(root)) {
  sys::ensure_private_dir(root_);
  load();
}

LayerFolders::~LayerFolders() {
  if (sweeper_.joinable()) sweeper_.join();
}

void LayerFolders::load() {
  std::vector<std::string> leftovers;
  for (const std::string& name : sys::list_dir(root_)) {
    if (is_leftover(name)) {
      leftovers.push_back(name);
    } else if (is_layer_name(name)) {
      // Without its link it is no layer of ours to use: the name is given last, so this one was tampered with.
      if (const auto chain = sys::read_link(cat(root_, "/", name, "/chain"))) folders_[*chain] = name;
    } else if (name.starts_with("c-")) {
      for (const std::string& layer : split(sys::read_link(cat(root_, "/", name, "/lower")).value_or(""), ':')) {
        if (is_layer_name(layer)) ++uses_[layer];
      }
    }
  }
  if (leftovers.empty()) return;
  sweeper_ = std::thread{[root = root_, leftovers] {
    for (const std::string& name : leftovers) {
      try {
        sys::remove_tree(cat(root, "/", name));
      } catch (const Error&) {
        // Still in use or the disk is failing: the next start tries again.
      }
    }
  }};
}

std::unique_ptr<LayerWriter> LayerFolders::begin_layer() { return std::make_unique<StagedLayer>(*this); }

std::unique_ptr<LayerWriter> LayerFolders::clone_layer(const std::string& chain_id) {
  const std::string from = layer_folder(chain_id);
  auto staged = std::make_unique<StagedLayer>(*this);
  copy_tree(cat(from, "/diff"), staged->dir(), CopyMode::hard_link);
  for (const std::string& name : sys::list_dir(from)) {
    if (name == "diff" || name == "chain" || name.starts_with("fs")) continue;
    const std::string path = cat(from, "/", name), copy = cat(staged->folder(), "/", name);
    if (name == "kept") {
      sys::make_dir(copy, 0700);
      copy_tree(path, copy, CopyMode::hard_link);
    } else if (::link(path.c_str(), copy.c_str()) != 0 && errno != ENOENT) {  // what may go at any time has gone
      throw errno_error("link", copy);
    }
  }
  return staged;
}

void LayerFolders::sync() {
  const sys::UniqueFd dir = sys::open_file(root_, O_RDONLY | O_DIRECTORY);
  if (::syncfs(dir.get()) != 0) throw errno_error("syncfs", root_);
}

void LayerFolders::name_layer(const std::string& staging, const std::string& chain_id) {
  make_link(chain_id, cat(staging, "/chain"));
  std::string name = chain_id.substr(chain_id.find(':') + 1, kNameLength);
  const std::lock_guard lock{mutex_};
  const auto old = folders_.find(chain_id);
  if (old != folders_.end() && sys::exists(cat(root_, "/", old->second, "/diff"))) return;
  // The digits of another layer's ID may be taken; any other name does as well.
  while (!is_layer_name(name) || sys::exists(cat(root_, "/", name))) name = random_hex(kNameLength / 2);
  sys::rename(staging, cat(root_, "/", name));
  folders_[chain_id] = name;
}

std::string LayerFolders::find_folder(const std::string& chain_id) const {
  const std::lock_guard lock{mutex_};
  const auto at = folders_.find(chain_id);
  return at == folders_.end() ? std::string{} : at->second;
}

bool LayerFolders::has_layer(const std::string& chain_id) const {
  const std::string name = find_folder(chain_id);
  return !name.empty() && sys::exists(cat(root_, "/", name, "/diff"));
}

std::string LayerFolders::layer_folder(const std::string& chain_id) const {
  const std::string name = find_folder(chain_id);
  if (name.empty()) throw missing_layer(chain_id);
  return cat(root_, "/", name);
}

std::string LayerFolders::layer_dir(const std::string& chain_id) const { return cat(layer_folder(chain_id), "/diff"); }

bool LayerFolders::remove_layer(const std::string& chain_id) {
  const std::lock_guard lock{mutex_};
  const auto at = folders_.find(chain_id);
  if (at == folders_.end()) return true;
  if (uses_.contains(at->second)) return false;
  const std::string folder = cat(root_, "/", at->second), trash = cat("trash-", random_hex(8));
  if (::rename(folder.c_str(), cat(root_, "/", trash).c_str()) == 0) {
    trash_.push_back(trash);
  } else if (errno != ENOENT) {
    throw errno_error("rename", folder);
  }
  folders_.erase(at);
  return true;
}

void LayerFolders::empty_trash() {
  std::vector<std::string> names;
  {
    const std::lock_guard lock{mutex_};
    names.swap(trash_);
  }
  for (const std::string& name : names) sys::remove_tree(cat(root_, "/", name));
}

std::vector<std::string> LayerFolders::list_layers() const {
  const std::lock_guard lock{mutex_};
  std::vector<std::string> chains;
  for (const auto& [chain, name] : folders_) chains.push_back(chain);
  return chains;
}

std::vector<std::string> LayerFolders::folders_of(const std::vector<std::string>& chain_ids) const {
  std::vector<std::string> names;
  for (auto chain = chain_ids.rbegin(); chain != chain_ids.rend(); ++chain) {
    const auto at = folders_.find(*chain);
    if (at == folders_.end()) throw missing_layer(*chain);
    names.push_back(at->second);
  }
  return names;
}

RootPaths LayerFolders::create_container_layer(const std::string& container_id,
                                               const std::vector<std::string>& chain_ids) {
  const std::string folder = container_folder(container_id);
  std::vector<std::string> names;
  {
    const std::lock_guard lock{mutex_};
    names = folders_of(chain_ids);
    sys::make_dir(folder, 0710);
    try {
      make_link(names.empty() ? std::string{kNoLayers} : join(names, ":"), cat(folder, "/lower"));
    } catch (...) {
      ::rmdir(folder.c_str());
      throw;
    }
    for (const std::string& name : names) ++uses_[name];
  }
  try {
    prepare_container(folder, chain_ids);
    return container_layer(container_id, chain_ids);
  } catch (...) {
    remove_container_layer(container_id);
    throw;
  }
}

bool LayerFolders::restore_container_layer(const std::string& container_id, const std::vector<std::string>& chain_ids) {
  const std::string folder = container_folder(container_id), link = cat(folder, "/lower");
  if (!sys::exists(folder)) {
    create_container_layer(container_id, chain_ids);
    return true;
  }
  const RootPaths paths = container_layer(container_id, chain_ids);
  const bool has_link = sys::read_link(link).has_value();
  const bool has_folders = sys::exists(paths.upper_dir) && (!paths.overlay || sys::exists(paths.work_dir));
  if (!has_link) {
    const std::lock_guard lock{mutex_};
    const std::vector<std::string> names = folders_of(chain_ids);
    make_link(names.empty() ? std::string{kNoLayers} : join(names, ":"), link);
    for (const std::string& name : names) ++uses_[name];
  }
  if (!has_folders) prepare_container(folder, chain_ids);
  return !has_link || !has_folders;
}

void LayerFolders::remove_container_layer(const std::string& container_id) {
  const std::string name = cat("c-", container_id);
  const auto lower = sys::read_link(cat(root_, "/", name, "/lower"));
  const std::string trash = cat(root_, "/trash-", random_hex(8));
  if (::rename(cat(root_, "/", name).c_str(), trash.c_str()) != 0) {
    if (errno == ENOENT) return;
    throw errno_error("rename", cat(root_, "/", name));
  }
  {
    const std::lock_guard lock{mutex_};
    for (const std::string& layer : split(lower.value_or(""), ':')) {
      const auto use = uses_.find(layer);
      if (use != uses_.end() && --use->second == 0) uses_.erase(use);
    }
  }
  sys::remove_tree(trash);
}

std::vector<std::string> LayerFolders::list_container_layers() const {
  std::vector<std::string> ids;
  for (const std::string& name : sys::list_dir(root_)) {
    if (name.starts_with("c-")) ids.push_back(name.substr(2));
  }
  return ids;
}

}  // namespace berth::graph
