// Checkpoints: create, list, remove. start.cc has the way back.
#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"
#include "engine/checkpoint_folders.h"
#include "engine/containers_service.h"
#include "runtime/criu/images.h"

namespace berth::engine {

using container::Status;
using runtime::shim::CommandKind;

std::string ContainersService::checkpoints_dir(const Container& container, const std::string& asked) const {
  if (asked.empty()) return container_dir(container.id()) + "/checkpoints";
  if (!asked.starts_with('/')) throw invalid(cat("checkpoint directory ", quoted(asked), " must be an absolute path"));
  return asked;
}

/// The check takes a tenth of a second, so it is made when it is needed for the first time.
Task<std::string> ContainersService::require_criu() {
  if (criu_.empty()) criu_ = co_await parts_.pool.run([] { return find_criu(); });
  co_return criu_;
}

Task<void> ContainersService::create_checkpoint(std::string id, CheckpointRequest request) {
  ContainerPtr container = registry_.get(id);
  return operation("create checkpoint", create_checkpoint_now(std::move(container), std::move(id), std::move(request)));
}

Task<void> ContainersService::create_checkpoint_now(ContainerPtr container, std::string shown_name,
                                                    CheckpointRequest request) {
  const async::Mutex::Guard guard = co_await container->operations.lock();
  if (!container->running()) throw system_error(cat("Container ", shown_name, " not running"));
  check_checkpoint_name(request.checkpoint_id);
  const std::string folder = checkpoints_dir(*container, request.checkpoint_dir);
  std::string failing = "cannot";
  try {
    const std::string dir =
        co_await parts_.pool.run([&] { return reserve_checkpoint(folder, request.checkpoint_id, shown_name); });
    failing = "Cannot";
    if (container->record.state.status == Status::paused) {
      throw conflict(cat("Container ", container->id(), " is paused, unpause the container before the checkpoint"));
    }
    check_can_checkpoint(container->record);
    co_await make_checkpoint(container, dir, !request.exit);
  } catch (const Error& error) {
    throw Error{error.kind(), cat(failing, " checkpoint container ", shown_name, ": ", error.text()),
                error.error_number()};
  }
  publish(*container, "checkpoint");
}

/// The shim does the work, and finishes it if this daemon doesn't live so long.
Task<void> ContainersService::make_checkpoint(ContainerPtr container, std::string dir, bool leave_running) {
  runtime::shim::Command command{.kind = CommandKind::checkpoint};
  command.dump.emplace();
  command.dump->program = co_await require_criu();
  command.dump->staging_dir = staging_path(dir);
  command.dump->dir = dir;
  command.dump->leave_running = leave_running;
  if (!container->endpoints.empty()) command.dump->ipv4_address = container->endpoints.front().ipv4_address;
  const runtime::shim::LaunchRequest request = make_request(*container, facts_of(*container));
  command.dump->mounts = runtime::criu::mount_sources(request.spec, request.init_path, runtime::cgroups::find_tree());

  const std::shared_ptr<ShimLink> link = container->link;
  if (!link) throw conflict("the container is not running any more");
  // As with a stop, no restart policy brings back what was ended on purpose.
  const bool was_stopped_before = container->record.state.manually_stopped, was_to_exit = container->exit_on_next;
  if (!leave_running) {
    container->record.state.manually_stopped = container->exit_on_next = true;
    co_await keep_stop(container);
  }
  container->checkpoint.emplace(dir);
  std::string failure;
  try {
    co_await link->call(std::move(command), {});
    while (!container->checkpoint->finished) co_await container->changed.wait();
    failure = container->checkpoint->failure;
  } catch (const Error& error) {
    failure = error.text();
  }
  container->checkpoint.reset();
  if (!failure.empty()) {
    if (!leave_running) {  // it runs on
      container->record.state.manually_stopped = was_stopped_before;
      container->exit_on_next = was_to_exit;
      co_await keep_stop(container);
    }
    throw system_error(failure);
  }
  const std::uint64_t run = container->starts;
  if (!leave_running) (void)co_await wait_until_ended(container, run, std::nullopt);
}

void ContainersService::on_checkpoint_ended(Container& container, const runtime::shim::Event& event) {
  if (!container.checkpoint || container.checkpoint->dir != event.checkpoint_dir) return;  // an earlier daemon's
  container.checkpoint->finished = true;
  container.checkpoint->failure = event.message;
  container.changed.notify_all();
}

Task<std::vector<std::string>> ContainersService::list_checkpoints(std::string id, std::string dir) {
  const ContainerPtr container = registry_.get(id);
  const std::string folder = checkpoints_dir(*container, dir);
  co_return co_await parts_.pool.run([&] {
    if (const auto info = sys::stat_if_exists(folder); info && !S_ISDIR(info->st_mode)) {
      throw system_error(cat(folder, " exists and is not a directory"));
    } else if (!info && !dir.empty()) {
      throw system_error(cat("checkpoint  does not exist for container ", id));
    }
    return engine::list_checkpoints(folder);
  });
}

Task<void> ContainersService::remove_checkpoint(std::string id, CheckpointName checkpoint) {
  ContainerPtr container = registry_.get(id);
  return operation("remove checkpoint",
                   remove_checkpoint_now(std::move(container), std::move(id), std::move(checkpoint)));
}

Task<void> ContainersService::remove_checkpoint_now(ContainerPtr container, std::string shown_name,
                                                    CheckpointName checkpoint) {
  const async::Mutex::Guard guard = co_await container->operations.lock();
  const std::string folder = checkpoints_dir(*container, checkpoint.dir);
  co_await parts_.pool.run([&] {
    const std::string path = get_checkpoint(folder, checkpoint.name, shown_name);
    // A folder given by the client may hold anything, which is not ours to delete.
    if (!runtime::criu::holds_checkpoint(path) && !sys::list_dir(path).empty()) {
      throw conflict(cat(path, " holds no checkpoint made by Berth"));
    }
    sys::remove_tree(path);
  });
}

}  // namespace berth::engine
