// HEAD, GET and PUT /containers/{id}/archive, changes, export: a container's files, seen from outside
#include "engine/file_access.h"

#include <algorithm>

#include "archive/chunks.h"
#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"
#include "engine/container_setup.h"
#include "engine/containers_service.h"
#include "engine/files/go_path.h"
#include "graph/changes.h"
#include "runtime/shim/client.h"

namespace berth::engine {

namespace {

/// A client that has sent nothing for so long does not keep a container from starting.
constexpr std::chrono::seconds kPatience{10};
constexpr int kAttempts = 5;  ///< to catch a container that starts and ends all the time

std::int64_t steady_now() { return std::chrono::steady_clock::now().time_since_epoch().count(); }

/// Docker answers with the name that the client gave.
Error no_such_file(const std::string& path, const std::string& container) {
  return not_found(cat("Could not find the file ", path, " in container ", container));
}

template <class Work>
auto with_dockers_text(const std::string& path, const std::string& container, Work work) {
  try {
    return work();
  } catch (const Error& error) {
    if (error.error_number() == ENOENT) throw no_such_file(path, container);
    throw;
  }
}

/// Tells a start that waits for it that its client is still there.
class MovingSource final : public ByteSource {
 public:
  MovingSource(ByteSource& origin, FileUse& use) : origin_(origin), use_(use) {}
  std::size_t read(char* buffer, std::size_t size) override {
    const std::size_t got = origin_.read(buffer, size);
    use_.last_moved_ns = steady_now();
    return got;
  }

 private:
  ByteSource& origin_;
  FileUse& use_;
};

}  // namespace

FileAccess::FileAccess(ContainerPtr container, bool writes, std::function<void()> cancel)
    : container_(std::move(container)), use_(std::make_shared<FileUse>()) {
  use_->writes = writes;
  use_->cancel = std::move(cancel);
  use_->last_moved_ns = steady_now();
  container_->file_uses.push_back(use_);
}

FileAccess::~FileAccess() {
  close();
  std::erase(container_->file_uses, use_);
  container_->changed.notify_all();
}

sys::UniqueFd FileAccess::hold(sys::FdRef program, const runtime::shim::FilesRequest& request) {
  runtime::shim::Prepared prepared = runtime::shim::prepare(program, request);
  holder_ = sys::spawn(prepared.options);
  control_ = std::move(prepared.control);
  had_holder_ = true;
  prepared.shim_ends.clear();
  auto [arrival, received] = runtime::shim::receive(control_);
  if (arrival != runtime::shim::Arrival::event) throw system_error("the process that mounts the files has ended");
  if (received.event.kind != runtime::shim::EventKind::started || received.fds.empty()) {
    throw Error{ErrorKind::system, received.event.message, received.event.error_number};
  }
  return std::move(received.fds.front());
}

void FileAccess::close() {
  view_.reset();
  control_.reset();
  if (holder_.pid() > 0) holder_.wait();
}

/// The last one to hold it sends it off: ending a holder takes the kernel its time.
std::shared_ptr<FileAccess> ContainersService::use_files(ContainerPtr container, bool writes,
                                                         std::function<void()> cancel) {
  check_open();
  if (container->removal_asked || container->removed) throw not_found(cat("No such container: ", container->id()));
  return {new FileAccess{std::move(container), writes, std::move(cancel)}, [this](FileAccess* done) {
            background_.spawn("closing a container's files", let_go_of_files(std::unique_ptr<FileAccess>{done}));
          }};
}

Task<void> ContainersService::let_go_of_files(std::unique_ptr<FileAccess> access) {
  const ContainerPtr container = access->container();
  const bool had_holder = access->has_holder();
  if (had_holder) co_await parts_.transfers.run([&] { access->close(); });
  access.reset();
  if (!had_holder) co_return;
  const async::Mutex::Guard guard = co_await container->operations.lock();
  if (!container->running() && container->file_uses.empty()) co_await parts_.volumes.unmount_for(container->record);
}

/// The files of a running container are reached through its first process, those of another one through a holder.
Task<std::shared_ptr<FileAccess>> ContainersService::open_files(ContainerPtr container, bool writes,
                                                                std::function<void()> cancel) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const async::Mutex::Guard guard = co_await container->operations.lock();
    while (container->tearing_down || container->settling) co_await container->changed.wait();
    std::shared_ptr<FileAccess> access = use_files(container, writes, cancel);
    if (!container->running()) {
      co_await hold_files(*container, *access);
      co_return access;
    }
    const pid_t pid = container->record.state.pid;
    const sys::UniqueFd init = sys::duplicate(container->init);
    auto root = co_await parts_.transfers.run([&] { return files::open_live_root(pid, init); });
    if (root) {
      access->show(std::move(*root), true);
      co_return access;
    }
    // It has ended; the news is on its way.
    if (container->running()) (void)co_await container->changed.wait_for(std::chrono::seconds{1});
  }
  throw conflict(cat("container ", container->id(), " is restarting, wait until the container is running"));
}

Task<void> ContainersService::hold_files(Container& container, FileAccess& access) {
  const container::Record& record = container.record;
  co_await parts_.volumes.mount_for(record);
  SetupFacts facts;
  facts.container_dir = container_dir(record.id);
  facts.volume_paths = parts_.volumes.paths_for(record);
  const graph::RootPaths paths = parts_.graph.container_layer(record.id, record.chain_ids);
  runtime::shim::FilesRequest request;
  request.id = record.id;
  request.root = {.overlay = paths.overlay,
                  .lower_dirs = paths.lower_dirs,
                  .upper_dir = paths.upper_dir,
                  .work_dir = paths.work_dir};
  request.mounts = file_mounts(record, facts);
  sys::UniqueFd root = co_await parts_.transfers.run([&] {
    // /etc/hosts and the like are not there before the first start.
    std::erase_if(request.mounts, [&](const oci::Mount& mount) {
      return mount.source.starts_with(facts.container_dir + "/") && !sys::exists(mount.source);
    });
    return access.hold(shim_program_, request);
  });
  access.show(std::move(root), false);
}

Task<void> ContainersService::wait_for_file_writers(ContainerPtr container) {
  for (;;) {
    bool busy = false;
    const std::vector<std::shared_ptr<FileUse>> uses = container->file_uses;
    for (const std::shared_ptr<FileUse>& use : uses) {
      if (!use->writes) continue;
      busy = true;
      const auto idle = std::chrono::nanoseconds{steady_now() - use->last_moved_ns};
      if (idle > kPatience && use->cancel) use->cancel();
    }
    if (!busy) co_return;
    (void)co_await container->changed.wait_for(std::chrono::seconds{1});
  }
}

Task<void> ContainersService::end_file_access(ContainerPtr container) {
  while (!container->file_uses.empty()) {
    const std::vector<std::shared_ptr<FileUse>> uses = container->file_uses;
    for (const std::shared_ptr<FileUse>& use : uses) {
      if (use->cancel) use->cancel();
    }
    (void)co_await container->changed.wait_for(std::chrono::seconds{1});
  }
}

// ---- the calls ----

Task<PathStat> ContainersService::stat_path(std::string id, std::string path) {
  const std::shared_ptr<FileAccess> access = co_await open_files(registry_.get(id), false, {});
  co_return co_await parts_.transfers.run(
      [&] { return with_dockers_text(path, id, [&] { return access->view().stat(path); }); });
}

namespace {

/// Work on the thread that fills a client's pipe; a removal of the container ends it.
class FileDownload : public Download {
 public:
  FileDownload(async::BlockingPool& pool, std::shared_ptr<FileAccess> access,
               std::function<void(const FileAccess&, ByteSink&)> work)
      : pool_(pool), access_(std::move(access)), work_(std::move(work)) {}

  Task<void> run(std::shared_ptr<StoppableSink> out) override {
    access_->use().cancel = [out] { out->abandon(); };
    co_await pool_.run([&] { work_(*access_, *out); });
  }

 private:
  async::BlockingPool& pool_;
  std::shared_ptr<FileAccess> access_;
  std::function<void(const FileAccess&, ByteSink&)> work_;
};

}  // namespace

Task<PathArchive> ContainersService::open_archive(std::string id, std::string path) {
  const ContainerPtr container = registry_.get(id);
  std::shared_ptr<FileAccess> access = co_await open_files(container, false, {});
  PathArchive archive;
  archive.stat = co_await parts_.transfers.run(
      [&] { return with_dockers_text(path, id, [&] { return access->view().stat(files::absolute(path)); }); });
  archive.download = std::make_unique<FileDownload>(
      parts_.transfers, std::move(access),
      [path](const FileAccess& files, ByteSink& out) { files.view().archive(path, out); });
  publish(*container, "archive-path");
  co_return archive;
}

Task<void> ContainersService::extract_archive(std::string id, ExtractOptions options,
                                              std::shared_ptr<StoppableSource> content) {
  const ContainerPtr container = registry_.get(id);
  const auto cancel = [content, id = container->id()] {
    content->fail(std::make_exception_ptr(
        conflict(cat("container ", id, " was started or removed while files were copied into it"))));
  };
  const std::shared_ptr<FileAccess> access = co_await open_files(container, true, cancel);
  co_await parts_.transfers.run([&] {
    MovingSource source{*content, access->use()};
    with_dockers_text(options.path, id, [&] { access->view().extract(options, source); });
  });
  publish(*container, "extract-to-dir");
}

const std::set<std::string>& ContainersService::paths_made_by_runtime() {
  static const std::set<std::string> kPaths{"/.dockerenv",       "/dev",      "/dev/console", "/dev/pts",
                                            "/dev/shm",          "/etc",      "/etc/hosts",   "/etc/hostname",
                                            "/etc/resolv.conf",  "/etc/mtab", "/proc",        "/sbin",
                                            "/sbin/docker-init", "/sys"};
  return kPaths;
}

Task<std::vector<PathChange>> ContainersService::changes(std::string id) {
  const ContainerPtr container = registry_.get(id);
  const std::shared_ptr<FileAccess> access = use_files(container, false, {});
  const graph::ContainerTrees trees = parts_.graph.container_trees(container->id(), container->record.chain_ids);
  co_return co_await parts_.transfers.run([&] {
    std::vector<PathChange> changes;
    for (graph::Change& change : graph::find_changes(trees, paths_made_by_runtime())) {
      changes.push_back({std::move(change.path), static_cast<int>(change.kind)});
    }
    return changes;
  });
}

Task<std::unique_ptr<Download>> ContainersService::open_export(std::string id) {
  const ContainerPtr container = registry_.get(id);
  if (container->removal_asked) {
    throw conflict(cat("You cannot export container ", container->id(), " which is being removed"));
  }
  std::shared_ptr<FileAccess> access = use_files(container, false, {});
  auto trees = parts_.graph.container_trees(container->id(), container->record.chain_ids);
  publish(*container, "export");
  co_return std::make_unique<FileDownload>(parts_.transfers, std::move(access),
                                           [trees = std::move(trees)](const FileAccess&, ByteSink& out) {
                                             archive::BufferedSink buffered{out};
                                             archive::TarWriter tar{buffered};
                                             graph::write_container_tree(trees, tar);
                                             tar.finish();
                                             buffered.flush();
                                           });
}

}  // namespace berth::engine
