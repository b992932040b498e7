// POST /commit: what a container has changed as a new image
#include "archive/chunks.h"
#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"
#include "engine/container_setup.h"
#include "engine/containers_service.h"
#include "engine/file_access.h"
#include "engine/image_changes.h"
#include "graph/changes.h"
#include "runtime/cgroups/cgroup.h"

namespace berth::engine {

using container::Status;

namespace {

oci::Reference parse_target(const std::string& repository, const std::string& tag) {
  oci::Reference reference = oci::parse_reference(repository);
  if (!reference.digest.empty()) throw invalid("cannot import digest reference");
  if (!tag.empty()) {
    oci::check_tag(tag);
    reference.tag = tag;
  }
  return reference.with_default_tag();
}

}  // namespace

Task<std::string> ContainersService::commit(CommitRequest request) {
  image::CommitRequest image;
  if (!request.repository.empty()) image.reference = parse_target(request.repository, request.tag);
  if (request.container.empty()) throw invalid("invalid name or ID supplied: \"\"");
  ContainerPtr container = registry_.get(request.container);
  const container::Record& record = container->record;
  image.parent_id = record.image_id;
  image.author = std::move(request.author);
  image.comment = std::move(request.comment);
  image.created_by = join(record.config.cmd.items, " ");
  image.config = apply_changes(request.config ? std::move(*request.config) : record.config, request.changes);
  merge_config(image.config, record.config);
  return operation("commit container", commit_now(std::move(container), request.pause, std::move(image)));
}

Task<std::string> ContainersService::commit_now(ContainerPtr container, bool pause, image::CommitRequest image) {
  const async::Mutex::Guard guard = co_await container->operations.lock();
  if (container->removal_asked) {
    throw conflict(cat("You cannot commit container ", container->id(), " which is being removed"));
  }
  const std::shared_ptr<FileAccess> files = use_files(container, false, {});
  const graph::ContainerTrees trees = parts_.graph.container_trees(container->id(), container->record.chain_ids);
  const std::uint64_t run = container->starts;
  const bool frozen = pause && co_await freeze_for_commit(container);
  std::string id;
  std::exception_ptr failure;
  try {
    id = co_await parts_.pool.run([&] {
      archive::WrittenSource diff{[&](ByteSink& out) {
        archive::TarWriter tar{out};
        graph::write_changes(trees, paths_made_by_runtime(), tar);
        tar.finish();
      }};
      return parts_.images.commit(diff, image);
    });
  } catch (...) {
    failure = std::current_exception();
  }
  if (frozen) co_await thaw_after_commit(container, run);
  if (failure) std::rethrow_exception(failure);
  publish(
      *container, "commit",
      {{"comment", image.comment}, {"imageID", id}, {"imageRef", image.reference ? image.reference->familiar() : ""}});
  co_return id;
}

/// Shown as paused, but not in the database: if the daemon ends meanwhile, the mark in the run folder tells the next
/// one that nobody asked for it. False when the container did not have to be frozen, or could not be; Docker goes on
/// then.
Task<bool> ContainersService::freeze_for_commit(ContainerPtr container) {
  if (!container->running() || container->record.state.status == Status::paused) co_return false;
  const std::string mark = frozen_mark(container->id()), cgroup = cgroup_path(*container);
  const std::uint64_t run = container->starts;
  const bool frozen = co_await parts_.pool.run([&] {
    try {
      sys::write_file(mark, "", 0600);
      runtime::cgroups::Cgroup{runtime::cgroups::find_tree(), cgroup}.freeze();
      return true;
    } catch (const Error& error) {
      parts_.log.warn("commit of container ", container->id(), " goes on without a pause: ", error.text());
      return false;
    }
  });
  if (!frozen || !container->running() || container->starts != run) co_return frozen;
  container->record.state.status = Status::paused;
  ++container->pauses;  // what a health probe says across it is not taken
  container->changed.notify_all();
  publish(*container, "pause");
  co_return true;
}

Task<void> ContainersService::thaw_after_commit(ContainerPtr container, std::uint64_t run) {
  const std::string id = container->id(), cgroup = cgroup_path(*container);
  co_await parts_.pool.run([&] { thaw_marked(id, cgroup); });
  if (container->starts != run || container->record.state.status != Status::paused) co_return;
  container->record.state.status = Status::running;
  container->changed.notify_all();
  publish(*container, "unpause");
}

std::string ContainersService::frozen_mark(const std::string& id) const { return run_dir(id) + "/frozen"; }

/// Undoes a freeze_for_commit; does nothing without its mark. Blocks.
void ContainersService::thaw_marked(const std::string& id, const std::string& cgroup) const {
  const std::string mark = frozen_mark(id);
  if (!sys::exists(mark)) return;
  try {
    runtime::cgroups::Cgroup{runtime::cgroups::find_tree(), cgroup}.thaw();
  } catch (const Error& error) {
    parts_.log.warn("unpausing container ", id, ": ", error.text());
  }
  sys::remove_file(mark);
}

}  // namespace berth::engine
