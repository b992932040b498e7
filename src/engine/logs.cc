// GET /containers/{id}/logs
#include "container/logs/reader.h"

#include <boost/asio/experimental/awaitable_operators.hpp>

#include "base/core/error.h"
#include "engine/containers_service.h"

namespace berth::engine {

namespace {

namespace logs = container::logs;

class ContainerLog final : public LogStream {
 public:
  ContainerLog(async::BlockingPool& pool, ContainerPtr container, const LogFiles& files, logs::ReadOptions options,
               bool follow)
      : pool_(pool), container_(std::move(container)), reader_(files.path, files.format, options), follow_(follow) {
    if (follow_) watch_.emplace(files.path);
  }

  bool tty() const override { return container_->record.config.tty; }

  Task<std::optional<std::string>> next() override {
    using namespace boost::asio::experimental::awaitable_operators;
    for (;;) {
      // Asked before reading: what is written before an end is then read after it.
      const bool may_grow = follow_ && !container_->removed && (container_->running() || container_->settling);
      if (watch_) watch_->drain();
      std::string piece = co_await pool_.run([this] { return reader_.read(); });
      if (!piece.empty()) co_return piece;
      if (!may_grow || reader_.past_until()) co_return std::nullopt;
      co_await (async::wait_readable(watch_->fd()) || container_->changed.wait());
    }
  }

 private:
  async::BlockingPool& pool_;
  ContainerPtr container_;
  logs::Reader reader_;
  std::optional<logs::Watch> watch_;
  bool follow_;
};

}  // namespace

Task<std::unique_ptr<LogStream>> ContainersService::open_logs(std::string id, LogQuery query) {
  if (!query.want_stdout && !query.want_stderr) {
    throw invalid("Bad parameters: you must choose at least one stream");
  }
  ContainerPtr container = registry_.get(id);
  const std::optional<LogFiles> files = readable_log(*container);
  if (!files) throw not_implemented("configured logging driver does not support reading");
  const logs::ReadOptions options{.want_stdout = query.want_stdout,
                                  .want_stderr = query.want_stderr,
                                  .timestamps = query.timestamps,
                                  .details = query.details,
                                  .framed = !container->record.config.tty,
                                  .coalesced = !query.follow,
                                  .since = query.since,
                                  .until = query.until,
                                  .tail = query.tail};
  co_return std::make_unique<ContainerLog>(parts_.pool, std::move(container), *files, options, query.follow);
}

std::optional<LogFiles> ContainersService::readable_log(const Container& container) const {
  if (!has_log_cache(container.record)) return std::nullopt;
  return log_files_of(container.record, container_dir(container.id()));
}

void ContainersService::note_log_state(Container& container, const runtime::shim::Event& event) {
  if (event.log_dropped != 0 && container.log_dropped == 0) {
    parts_.log.warn("container ", container.id(), ": its log loses entries (docker inspect counts them)");
  }
  container.log_dropped = event.log_dropped;
  container.log_unsent = event.log_unsent;
}

Task<void> ContainersService::settle_log_state(ContainerPtr container) {
  container::State& state = container->record.state;
  const std::uint64_t dropped = std::exchange(container->log_dropped, 0);
  const std::uint64_t unsent = std::exchange(container->log_unsent, 0);
  if (dropped == 0 && unsent == state.log_unsent) co_return;
  if (unsent != 0) {
    parts_.log.warn("container ", container->id(), ": its log's sink has not got the last ", unsent, " entries");
  }
  state.log_dropped += dropped;
  state.log_unsent = unsent;
  if (!container->removed) co_await parts_.store.update(container->record);
}

}  // namespace berth::engine
