// stats: what containers use, read by one thread for each of them (as its stream comes), shown by this one.
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <thread>

#include "base/core/text.h"
#include "base/json/json.h"
#include "cli/commands/commands.h"
#include "cli/json_view.h"
#include "cli/options/filters.h"
#include "cli/text/stats_row.h"

namespace berth::cli {

namespace {

constexpr int kRefreshMs = 500;

struct StatsOptions {
  bool all = false, no_stream = false, no_trunc = false;
  std::string format;
};

/// Reads one container's stream until it ends or is cut.
class Watcher {
 public:
  Watcher(std::string container, Reply reply) : container_(std::move(container)), reply_(std::move(reply)) {
    thread_ = std::thread{[this] { read(); }};
  }
  ~Watcher() {
    ::shutdown(reply_.connection().fd().get(), SHUT_RDWR);
    thread_.join();
  }
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  Row row(bool no_trunc) {
    const std::lock_guard lock{mutex_};
    return stats_row(container_, usage_, no_trunc);
  }
  bool ended() {
    const std::lock_guard lock{mutex_};
    return ended_;
  }

 private:
  void read() {
    try {
      while (const auto line = reply_.read_line()) {
        Usage usage = usage_of(json::parse(*line));
        const std::lock_guard lock{mutex_};
        usage_ = std::move(usage);
      }
    } catch (const Error&) {  // cut, by us or by the daemon's end
    }
    const std::lock_guard lock{mutex_};
    ended_ = true;
  }

  const std::string container_;
  Reply reply_;
  std::mutex mutex_;
  std::optional<Usage> usage_;
  bool ended_ = false;
  std::thread thread_;  // last: it uses the others
};

/// The containers on show, in the order in which they came.
class Board {
 public:
  Board(Cli& cli, const StatsOptions& options) : cli_(cli), options_(options) {}

  void add(const std::string& container) {
    if (std::ranges::find(names_, container) != names_.end()) return;
    const Request request{.path = cat("/containers/", escape_url(container), "/stats",
                                      Query{}.add("stream", options_.no_stream ? "0" : "1").text())};
    // With stream=0 the head comes with the sample: all requests are sent before any answer is waited for.
    pending_.emplace_back(container, request, cli_.api().send(request));
    names_.push_back(container);
  }
  void remove(const std::string& container) {
    std::erase(names_, container);
    watchers_.erase(container);
  }
  /// Waits for the heads of those that were added; throws the first one's error.
  void open() {
    for (auto& [container, request, reply] : std::exchange(pending_, {})) {
      cli_.api().receive_head(reply, request);
      watchers_.emplace(container, std::make_unique<Watcher>(container, std::move(reply)));
    }
  }
  /// The same, but one that is gone already is passed over.
  void open_those_left() {
    try {
      open();
    } catch (const Error&) {
      std::erase_if(names_, [&](const std::string& name) { return !watchers_.contains(name); });
    }
  }
  void drop_ended() {
    for (const std::string& name : std::vector<std::string>{names_}) {
      if (watchers_.at(name)->ended()) remove(name);
    }
  }
  void wait_until_all_ended() {
    for (const auto& [name, watcher] : watchers_) {
      while (!watcher->ended()) std::this_thread::sleep_for(std::chrono::milliseconds{5});
    }
  }
  std::string text() {
    std::vector<Row> rows;
    for (const std::string& name : names_) rows.push_back(watchers_.at(name)->row(options_.no_trunc));
    return render_rows(stats_list_format(), options_.format, rows);
  }
  bool empty() const { return names_.empty(); }

 private:
  struct Pending {
    std::string container;
    Request request;
    Reply reply;
  };
  Cli& cli_;
  const StatsOptions& options_;
  std::vector<std::string> names_;
  std::vector<Pending> pending_;
  std::map<std::string, std::unique_ptr<Watcher>> watchers_;
};

/// Containers that come and go while all are watched.
class Arrivals {
 public:
  explicit Arrivals(Cli& cli)
      : reply_(
            cli.api().open({.path = cat("/events", Query{}.add("filters", filters_json({"type=container"})).text())})) {
    thread_ = std::thread{[this] { read(); }};
  }
  ~Arrivals() {
    ::shutdown(reply_.connection().fd().get(), SHUT_RDWR);
    thread_.join();
  }
  Arrivals(const Arrivals&) = delete;
  Arrivals& operator=(const Arrivals&) = delete;

  /// Action and ID of what happened since the last call.
  std::vector<std::pair<std::string, std::string>> take() {
    const std::lock_guard lock{mutex_};
    return std::exchange(happened_, {});
  }

 private:
  void read() {
    try {
      while (const auto line = reply_.read_line()) {
        const Json event = json::parse(*line);
        const std::lock_guard lock{mutex_};
        happened_.emplace_back(text_at(event, "Action"), text_at(at(event, "Actor"), "ID").substr(0, 12));
      }
    } catch (const Error&) {
    }
  }

  Reply reply_;
  std::mutex mutex_;
  std::vector<std::pair<std::string, std::string>> happened_;
  std::thread thread_;
};

void follow(Board& board, Arrivals& arrivals, bool all) {
  for (const auto& [action, id] : arrivals.take()) {
    if (action == (all ? "create" : "start")) board.add(id);
    if (action == (all ? "destroy" : "die")) board.remove(id);
    board.open_those_left();
  }
}

/// From the upper left corner over what was there before.
std::string screen_of(const std::string& text) {
  std::string screen = "\033[H";
  for (const std::string& line : split(trim(text), '\n')) screen += cat(line, "\033[K\n");
  return screen + "\033[J";
}

int stats(Cli& cli, const StatsOptions& options, const Arguments& arguments) {
  Board board{cli, options};
  std::optional<Arrivals> arrivals;
  if (arguments.empty()) {
    if (!options.no_stream) arrivals.emplace(cli);
    const Json containers = cli.api().get(cat("/containers/json", Query{}.add_if(options.all, "all").text()));
    for (const Json& container : as_array(containers)) board.add(text_at(container, "Id").substr(0, 12));
    board.open_those_left();
  } else {
    for (const std::string& name : arguments) board.add(name);
    board.open();
  }
  if (options.no_stream) {
    board.wait_until_all_ended();
    Cli::out(board.text());
    return 0;
  }
  Cli::out("\033[2J");
  for (;;) {
    Cli::out(screen_of(board.text()));
    std::this_thread::sleep_for(std::chrono::milliseconds{kRefreshMs});
    if (arrivals) follow(board, *arrivals, options.all);
    board.drop_ended();
    if (!arrivals && board.empty()) return 0;
  }
}

Action prepare_stats(FlagSet& flags) {
  auto options = std::make_shared<StatsOptions>();
  flags.boolean(options->all, "all", 'a', "Show stopped containers too");
  flags.text(options->format, "format", 0, kFormatHelp);
  flags.boolean(options->no_stream, "no-stream", 0, "Show one look and end");
  flags.boolean(options->no_trunc, "no-trunc", 0, "Show everything in full length");
  return [options](Cli& cli, const Arguments& arguments) { return stats(cli, *options, arguments); };
}

constexpr Command kCommands[] = {
    {"container stats,stats", "[OPTIONS] [CONTAINER...]", "Show what containers use of the machine, as it changes", 0,
     kNoLimit, AfterPositional::keep_parsing, prepare_stats},
};

}  // namespace

std::span<const Command> stats_commands() { return kCommands; }

}  // namespace berth::cli
