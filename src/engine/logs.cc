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
  ContainerLog(async::BlockingPool& pool, ContainerPtr container, logs::ReadOptions options, bool follow)
      : pool_(pool), container_(std::move(container)), reader_(container_->record.log_path, options), follow_(follow) {
    if (follow_) watch_.emplace(container_->record.log_path);
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
  if (container->record.log_path.empty()) {
    throw not_implemented("configured logging driver does not support reading");
  }
  const logs::ReadOptions options{.want_stdout = query.want_stdout,
                                  .want_stderr = query.want_stderr,
                                  .timestamps = query.timestamps,
                                  .details = query.details,
                                  .framed = !container->record.config.tty,
                                  .coalesced = !query.follow,
                                  .since = query.since,
                                  .until = query.until,
                                  .tail = query.tail};
  co_return std::make_unique<ContainerLog>(parts_.pool, std::move(container), options, query.follow);
}

}  // namespace berth::engine
