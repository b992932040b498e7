#include "graph/overlay2/overlay2.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"
#include "graph/layer_folders.h"

namespace berth::graph {

namespace {

constexpr const char* kEmpty = "empty";  // the lower folder of containers without an image

std::string file_system_name(const std::string& path) {
  struct statfs info{};
  if (::statfs(path.c_str(), &info) != 0) throw errno_error("statfs", path);
  switch (static_cast<unsigned long>(info.f_type)) {  // names as dockerd prints them
    case 0xEF53: return "extfs";
    case 0x58465342: return "xfs";
    case 0x9123683E: return "btrfs";
    case 0x01021994: return "tmpfs";
    case 0x794C7630: return "overlayfs";
    case 0x2FC12FC1: return "zfs";
    case 0xF2F52010: return "f2fs";
    default: return "<unknown>";
  }
}

class Overlay2 : public LayerFolders {
 public:
  explicit Overlay2(std::string root) : LayerFolders(std::move(root)) {
    sys::ensure_dir(cat(this->root(), "/", kEmpty), 0755);
  }

  std::string name() const override { return "overlay2"; }

  RootPaths container_layer(const std::string& container_id, const std::vector<std::string>& chain_ids) const override {
    RootPaths paths;
    for (auto chain = chain_ids.rbegin(); chain != chain_ids.rend(); ++chain) {
      paths.lower_dirs.push_back(layer_dir(*chain));
      // Somebody may have deleted it since the daemon has started; the kernel's own word wouldn't say what to do.
      if (::access(paths.lower_dirs.back().c_str(), F_OK) != 0) throw missing_layer(*chain);
    }
    if (paths.lower_dirs.empty()) paths.lower_dirs.push_back(cat(root(), "/", kEmpty));
    paths.upper_dir = cat(container_folder(container_id), "/diff");
    paths.work_dir = cat(container_folder(container_id), "/work");
    return paths;
  }

  ContainerTrees container_trees(const std::string& container_id,
                                 const std::vector<std::string>& chain_ids) const override {
    RootPaths paths = container_layer(container_id, chain_ids);
    return {.upper = std::move(paths.upper_dir), .lower = std::move(paths.lower_dirs)};
  }

  std::uint64_t container_layer_size(const std::string& container_id) const override {
    return sys::disk_usage(cat(container_folder(container_id), "/diff"));
  }

  std::vector<std::pair<std::string, std::string>> status() const override {
    return {{"Backing Filesystem", file_system_name(root())},
            {"Supports d_type", "true"},
            {"Using metacopy", "false"},
            {"Native Overlay Diff", "true"},
            {"userxattr", "false"}};
  }

 protected:
  void prepare_layer(const std::string&, const std::string&) override {}
  void prepare_container(const std::string& folder, const std::vector<std::string>&) override {
    sys::ensure_dir(cat(folder, "/diff"), 0755);
    sys::ensure_dir(cat(folder, "/work"), 0700);
  }
};

}  // namespace

bool overlay_works(const std::string& root) {
  const sys::TemporaryDir trial{root, "tmp-"};
  for (const char* name : {"lower", "upper", "work"}) sys::make_dir(cat(trial.path(), "/", name));
  const int context = static_cast<int>(::syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC));
  if (context < 0) return false;
  const sys::UniqueFd owner{context};
  const auto set = [&](const char* key, const std::string& value) {
    return ::syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, key, value.c_str(), 0) == 0;
  };
  return set("lowerdir", cat(trial.path(), "/lower")) && set("upperdir", cat(trial.path(), "/upper")) &&
         set("workdir", cat(trial.path(), "/work")) &&
         ::syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) == 0;
}

std::unique_ptr<Driver> open_overlay2(const std::string& root) { return std::make_unique<Overlay2>(root); }

}  // namespace berth::graph
