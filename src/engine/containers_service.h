#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/async/async.h"
#include "base/core/log.h"
#include "container/health.h"
#include "engine/container_registry.h"
#include "engine/container_setup.h"
#include "engine/container_views.h"
#include "engine/containers.h"
#include "engine/events.h"
#include "engine/host_files.h"
#include "engine/options.h"
#include "engine/shielded.h"
#include "engine/state_store.h"
#include "engine/stats/sampler.h"
#include "engine/system_service.h"
#include "engine/volumes_service.h"
#include "graph/driver.h"
#include "image/image_store.h"
#include "network/network.h"
#include "runtime/shim/protocol.h"

namespace berth::engine {

class FileAccess;  // file_access.cc

/// What the containers stand on. All of it outlives the service.
struct ContainersParts {
  EventLoop& loop;
  async::BlockingPool& pool;
  async::BlockingPool& transfers;  ///< for work that waits for clients: they must not keep others from the pool
  const Logger& log;
  StateStore& store;
  EventLog& events;
  image::ImageStore& images;
  graph::Driver& graph;
  network::Networks& networks;
  VolumesService& volumes;
};

/// The containers of one daemon. Its parts lie in files by topic: create.cc, start.cc, exit.cc, stop.cc, remove.cc,
/// attach.cc, exec.cc, health.cc, update.cc, queries.cc, file_access.cc, commit.cc, checkpoint.cc, reconcile.cc.
///
/// All of it runs on the event loop. An operation that changes a container holds its `operations` mutex, and is
/// shielded: it runs to its end when its client goes away. Only an exit waits for nobody: it changes the state between
/// two steps of any operation, which therefore look at the state again after every await.
class ContainersService final : public Containers {
 public:
  ContainersService(ContainersParts parts, const EngineOptions& options);
  ~ContainersService() override;

  // engine::Containers
  Task<Created> create(std::string name, std::string platform, container::CreateRequest request) override;
  Task<Started> start(std::string id, CheckpointName checkpoint) override;
  Task<Started> stop(std::string id, std::optional<int> timeout, std::string signal) override;
  Task<void> restart(std::string id, std::optional<int> timeout, std::string signal) override;
  Task<void> kill(std::string id, std::string signal) override;
  Task<void> pause(std::string id) override;
  Task<void> unpause(std::string id) override;
  Task<void> remove(std::string id, RemoveOptions options) override;
  Task<void> rename(std::string id, std::string name) override;
  Task<void> resize(std::string id, int rows, int columns) override;
  Task<std::vector<std::string>> update(std::string id, container::Resources resources,
                                        std::optional<container::RestartPolicy> policy) override;
  Task<std::vector<ContainerSummary>> list(ListQuery query) override;
  Task<ContainerInspect> inspect(std::string id, bool size) override;
  Task<std::unique_ptr<Waiter>> open_wait(std::string id, WaitCondition condition) override;
  Task<std::unique_ptr<LogStream>> open_logs(std::string id, LogQuery query) override;
  Task<std::unique_ptr<AttachSession>> open_attach(std::string id, AttachOptions options) override;
  Task<std::pair<std::vector<std::string>, std::uint64_t>> prune(Filters filters) override;
  Task<PathStat> stat_path(std::string id, std::string path) override;
  Task<PathArchive> open_archive(std::string id, std::string path) override;
  Task<void> extract_archive(std::string id, ExtractOptions options, std::shared_ptr<StoppableSource> content) override;
  Task<std::vector<PathChange>> changes(std::string id) override;
  Task<std::unique_ptr<Download>> open_export(std::string id) override;
  Task<std::string> commit(CommitRequest request) override;
  Task<void> create_checkpoint(std::string id, CheckpointRequest request) override;
  Task<std::vector<std::string>> list_checkpoints(std::string id, std::string dir) override;
  Task<void> remove_checkpoint(std::string id, CheckpointName checkpoint) override;
  Task<std::string> exec_create(std::string id, ExecCreateRequest request) override;
  Task<std::unique_ptr<AttachSession>> exec_start(std::string exec_id, ExecStartOptions options) override;
  Task<void> exec_resize(std::string exec_id, int rows, int columns) override;
  Task<ExecInspect> exec_inspect(std::string exec_id) override;
  Task<std::unique_ptr<StatsStream>> open_stats(std::string id, StatsQuery query) override;
  Task<ProcessList> top(std::string id, std::string ps_args) override;

  // For the engine itself.
  /// Loads the rows, takes up what still runs, finishes what ended meanwhile, removes what belongs to nobody. Returns
  /// when the state shown is true; restart policies are applied afterwards, in the background.
  Task<void> reconcile();
  /// No new operation is taken; running ones end. Containers are stopped unless they are to be kept running.
  Task<void> shutdown(bool keep_running);

  ContainerCounts counts() const;
  image::FindUses find_image_uses() const;  ///< for any thread, and as long as it likes
  std::vector<const container::Record*> records() const;
  std::vector<network::Endpoint> live_endpoints() const;
  const std::vector<network::Endpoint>& endpoints_of(const std::string& id) const;  ///< throws not_found

 private:
  friend class ContainerAttachSession;
  friend class ExecSession;

  // Paths and small helpers (containers_service.cc)
  std::string container_dir(const std::string& id) const;
  std::string run_dir(const std::string& id) const;
  void publish(const Container& container, std::string action, std::map<std::string, std::string> more = {});
  void publish_volume_events(const Container& container, std::string_view action);
  void publish_network_events(const Container& container, std::string_view action);
  template <class T>
  Task<T> operation(std::string name, Task<T> task);
  void check_open() const;  ///< throws unavailable while the daemon is going down
  void note_image_use(const container::Record& record);
  void drop_image_use(const std::string& id);
  Task<FilterLookups> filter_lookups(Filters filters);

  // create.cc
  Task<Created> create_now(std::string name, std::string platform, container::CreateRequest request);
  std::map<std::string, const container::Record*> volume_donors(const container::HostConfig& host_config);
  void resolve_container_modes(container::HostConfig& host_config);
  Task<void> make_container(container::Record& record);
  Task<void> unmake_container(container::Record record);
  Task<void> make_volumes(container::Record& record);
  std::vector<std::string> image_dirs(const std::string& id, const std::vector<std::string>& chain_ids) const;

  // start.cc
  Task<Started> start_now(ContainerPtr container, CheckpointName checkpoint);
  enum class Cause { user, daemon, policy };  ///< daemon: it has just come up, and the policy wants the container
  /// With `operations` held and the container not running. Undone entirely on a throw, apart from State.Error.
  /// `images_dir`: a checkpoint's folder to go on from; "" starts anew.
  Task<void> start_locked(ContainerPtr container, Cause cause, std::string images_dir = {});
  struct Launch;  ///< one start on its way
  Task<void> launch(Container& container, Launch& launch, std::string images_dir);
  runtime::shim::LaunchRequest make_request(const Container& container, const SetupFacts& facts) const;
  SetupFacts facts_of(const Container& container) const;
  Task<void> connect_network(Container& container, Launch& launch);
  Task<void> await_start(Launch& launch);
  Task<void> abandon(ContainerPtr container, Launch& launch, std::exception_ptr failure);
  Task<void> take_back(ContainerPtr container, std::exception_ptr failure);
  Task<void> end_shim(const Container& container, Launch& launch);
  HostFilesPlan plan_host_files(const Container& container) const;
  /// "container:x" to that container, which must run.
  ContainerPtr get_running(const std::string& mode) const;

  // exit.cc
  Task<void> watch(ContainerPtr container, std::shared_ptr<ShimLink> link);
  void on_event(const ContainerPtr& container, ShimMessage& message);
  /// The run is over: true in memory at once, durable before it is reported.
  Task<void> on_exit(ContainerPtr container, runtime::shim::ExitRecord exit);
  /// What is known of an end that nobody reported; ends a process that was left without its shim.
  Task<runtime::shim::ExitRecord> find_exit(ContainerPtr container);
  std::optional<std::chrono::milliseconds> restart_delay(Container& container);
  void keep_recording(const ContainerPtr& container);
  Task<void> record_again(ContainerPtr container);
  Task<void> leave_networks(ContainerPtr container);
  Task<void> tear_down_run(ContainerPtr container);
  Task<void> restart_later(ContainerPtr container, std::chrono::milliseconds delay, std::uint64_t ticket);
  void call_off_restart(Container& container);

  // stop.cc
  Task<Started> stop_now(ContainerPtr container, std::optional<int> timeout, std::string signal);
  enum class StopCause { user, shutdown, restart };  ///< only the user's is meant to last
  Task<void> stop_running(ContainerPtr container, std::optional<int> timeout, std::string signal, StopCause cause);
  Task<void> restart_now(ContainerPtr container, std::optional<int> timeout, std::string signal);
  Task<void> kill_now(ContainerPtr container, std::string signal);
  void send_signal(Container& container, int signal);
  Task<void> keep_stop(ContainerPtr container);
  /// False when `timeout` passed before the run (container->starts) had ended.
  Task<bool> wait_until_ended(ContainerPtr container, std::uint64_t run,
                              std::optional<std::chrono::nanoseconds> timeout);
  std::string cgroup_path(const Container& container) const;
  Task<void> pause_now(ContainerPtr container, bool freeze);

  // remove.cc
  Task<void> remove_now(ContainerPtr container, RemoveOptions options);
  /// Row, name and ID at once, and with `with_volumes` those of its own volumes; the files follow in remove_files.
  Task<void> erase_row(ContainerPtr container, bool with_volumes);
  Task<void> remove_files(ContainerPtr container);
  Task<void> rename_now(ContainerPtr container, std::string name);
  Task<std::vector<std::string>> update_now(ContainerPtr container, container::Resources resources,
                                            std::optional<container::RestartPolicy> policy);

  // queries.cc
  struct Sizes {
    std::int64_t written = 0, whole = 0;  ///< bytes
  };
  Task<Sizes> sizes_of(ContainerPtr container);
  /// Bytes written on top of the image, on the disk; blocks.
  std::uint64_t written_by(const std::string& id, const std::vector<std::string>& chain_ids) const;

  // top.cc
  StatsSource stats_source(const Container& container) const;

  // attach.cc
  Task<void> attach(ContainerPtr container, AttachOptions options, Hijacked connection);
  void drop_dead_clients(Container& container);
  Task<void> send_pending_attaches(Container& container, ShimLink& link);

  // checkpoint.cc
  Task<void> create_checkpoint_now(ContainerPtr container, std::string shown_name, CheckpointRequest request);
  Task<void> make_checkpoint(ContainerPtr container, std::string dir, bool leave_running);
  Task<void> remove_checkpoint_now(ContainerPtr container, std::string shown_name, CheckpointName checkpoint);
  std::string checkpoints_dir(const Container& container, const std::string& asked) const;
  void on_checkpoint_ended(Container& container, const runtime::shim::Event& event);
  /// criu's path. Throws system where this machine can't checkpoint.
  Task<std::string> require_criu();

  // logs.cc
  std::optional<LogFiles> readable_log(const Container& container) const;
  void note_log_state(Container& container, const runtime::shim::Event& event);
  /// The run has ended: what its log has lost is added to what earlier ones had.
  Task<void> settle_log_state(ContainerPtr container);

  // exec.cc
  struct FoundExec {
    ContainerPtr container;
    std::shared_ptr<ExecProcess> exec;
  };
  FoundExec get_exec(const std::string& exec_id) const;
  std::shared_ptr<ExecProcess> register_exec(const ContainerPtr& container, ExecCreateRequest request);
  void forget_exec(Container& container, const ExecProcess& exec);
  /// The seccomp program that every process of the container gets.
  Task<std::string> exec_filter(ContainerPtr container);
  Task<void> run_exec(FoundExec found, std::optional<Hijacked> connection, bool multiplexed);
  runtime::shim::Exec exec_command(const Container& container, const ExecProcess& exec) const;
  void end_execs(Container& container);

  // file_access.cc
  std::shared_ptr<FileAccess> use_files(ContainerPtr container, bool writes, std::function<void()> cancel);
  Task<std::shared_ptr<FileAccess>> open_files(ContainerPtr container, bool writes, std::function<void()> cancel);
  Task<void> hold_files(Container& container, FileAccess& access);
  Task<void> let_go_of_files(std::unique_ptr<FileAccess> access);
  /// Before a start: no two overlays write to one layer. Copies that do not move any more are given up.
  Task<void> wait_for_file_writers(ContainerPtr container);
  Task<void> end_file_access(ContainerPtr container);  ///< before the files are removed
  /// Where a start leaves empty files and folders to mount on, as graph::find_changes wants to know.
  static const std::set<std::string>& paths_made_by_runtime();

  // commit.cc
  Task<std::string> commit_now(ContainerPtr container, bool pause, image::CommitRequest image);
  Task<bool> freeze_for_commit(ContainerPtr container);
  Task<void> thaw_after_commit(ContainerPtr container, std::uint64_t run);
  std::string frozen_mark(const std::string& id) const;
  void thaw_marked(const std::string& id, const std::string& cgroup) const;

  // health.cc
  enum class HealthSince { start, adoption };
  void start_health(const ContainerPtr& container, HealthSince since);
  Task<void> watch_health(ContainerPtr container, container::HealthPlan plan, std::chrono::nanoseconds wait);
  static std::chrono::nanoseconds next_wait(const Container& container, const container::HealthPlan& plan);
  static Task<bool> rest(ContainerPtr container, std::chrono::nanoseconds time, std::function<bool()> woken);
  runtime::shim::Exec probe_command(const Container& container, const container::HealthPlan& plan) const;
  Task<std::shared_ptr<const std::string>> probe_filter(ContainerPtr container);
  Task<std::optional<container::ProbeResult>> run_probe(ContainerPtr container, const container::HealthPlan& plan,
                                                        const runtime::shim::Exec& probe, const std::string& filter,
                                                        std::shared_ptr<ExecProcess>& exec);
  Task<void> take_result(ContainerPtr container, const container::HealthPlan& plan, container::ProbeResult result);
  void act_on_unhealthy(const ContainerPtr& container);
  Task<void> stop_unhealthy(ContainerPtr container, bool restart);
  Task<void> keep_health();

  // reconcile.cc
  void load_containers();
  Task<void> prepare_seccomp();
  Task<void> restore_folders();
  Task<void> adopt(ContainerPtr container);
  Task<void> undo_start(ContainerPtr container, std::shared_ptr<ShimLink> link, sys::UniqueFd init);
  void mark_ended(Container& container, const runtime::shim::ExitRecord& exit);
  Task<void> sweep(std::set<std::string> known);
  Task<void> resume(ContainerPtr container);
  bool any_tearing_down() const;

  ContainersParts parts_;
  const EngineOptions& options_;
  ContainerRegistry registry_;
  std::map<std::string, std::weak_ptr<Container>> container_of_exec_;
  std::weak_ptr<const std::string> shared_filter_;  ///< the last health check's; nearly all are the same
  async::Nursery operations_;                       ///< what clients asked for; drained before the end
  async::Nursery background_;                       ///< watchers, restarts, clean-up; cancelled at the end
  StatsSampler sampler_;
  bool closing_ = false;
  int removals_ = 0;                  ///< of files, under way
  std::string criu_;                  ///< path of the program, once it was found to work
  sys::UniqueFd shim_program_;        ///< see runtime::shim::seal_program
  std::set<std::string> unreadable_;  ///< IDs whose rows can't be read: their files are left alone

  struct SharedUses;  ///< find_image_uses() for other threads
  std::shared_ptr<SharedUses> uses_;
};

template <class T>
Task<T> ContainersService::operation(std::string name, Task<T> task) {
  check_open();
  return shielded(parts_.loop, operations_, std::move(name), std::move(task));
}

}  // namespace berth::engine
