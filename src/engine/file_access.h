#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "base/sys/process.h"
#include "engine/files/file_view.h"
#include "engine/live_container.h"
#include "runtime/shim/protocol.h"

namespace berth::engine {

/// One look at a container's files, counted in Container::file_uses as long as it lasts. The mounts of a container that
/// does not run are held by a process of their own (see runtime::shim::FilesRequest), which ends with this. Made and
/// destroyed on the loop.
class FileAccess {
 public:
  FileAccess(ContainerPtr container, bool writes, std::function<void()> cancel);
  ~FileAccess();
  FileAccess(const FileAccess&) = delete;
  FileAccess& operator=(const FileAccess&) = delete;

  const files::FileView& view() const { return *view_; }
  FileUse& use() { return *use_; }
  const ContainerPtr& container() const { return container_; }
  bool has_holder() const { return had_holder_; }

  void show(sys::UniqueFd root, bool live) { view_.emplace(std::move(root), live, container_->record); }
  /// Starts the holder; returns the root. Blocks for some milliseconds.
  sys::UniqueFd hold(sys::FdRef program, const runtime::shim::FilesRequest& request);
  /// Blocks until the holder's mounts are gone.
  void close();

 private:
  ContainerPtr container_;
  std::shared_ptr<FileUse> use_;
  std::optional<files::FileView> view_;
  sys::UniqueFd control_;
  sys::Child holder_;
  bool had_holder_ = false;
};

}  // namespace berth::engine
