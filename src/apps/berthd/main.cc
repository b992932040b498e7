#include <fcntl.h>
#include <malloc.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>
#include <cstdio>
#include <filesystem>

#include "api/server/server.h"
#include "apps/berthd/idle_memory.h"
#include "apps/berthd/options.h"
#include "apps/berthd/pid_file.h"
#include "apps/berthd/registry_process.h"
#include "base/async/async.h"
#include "base/core/error.h"
#include "base/core/log.h"
#include "base/core/text.h"
#include "base/sys/file.h"
#include "base/sys/process.h"
#include "daemon/settings.h"
#include "daemon/systemd.h"
#include "engine/engine.h"

namespace berth {
namespace {

/// The command line and daemon.json together; see daemon/settings.h for who wins.
daemon::Settings read_settings(const daemon::CommandLine& line, const DefaultPlaces& places) {
  const std::string path = line.settings.text("config-file", places.config_file);
  const std::optional<std::string> file = sys::read_file_if_exists(path);
  if (!file) {
    if (!line.settings.has("config-file")) return line.settings;
    throw invalid(
        cat("unable to configure the Docker daemon with file ", path, ": open ", path, ": no such file or directory"));
  }
  try {
    return daemon::merge(line.settings, daemon::parse_config_file(*file));
  } catch (Error& error) {
    error.during(cat("unable to configure the Docker daemon with file ", path));
    throw;
  }
}

void set_log_level(Logger& log, const daemon::Settings& settings) {
  log.set_level(settings.boolean("debug", false) ? LogLevel::debug
                                                 : parse_log_level(settings.text("log-level", "info")));
}

void prepare_process() {
  std::signal(SIGPIPE, SIG_IGN);
  ::umask(0022);
  sys::raise_descriptor_limit();
  // Memory that a burst needed goes back to the kernel: few arenas, and large pieces each as a mapping of its own.
  ::mallopt(M_ARENA_MAX, 2);
  ::mallopt(M_MMAP_THRESHOLD, 128 << 10);
  ::mallopt(M_TRIM_THRESHOLD, 256 << 10);
}

/// Two daemons on one data root would destroy each other's state.
sys::UniqueFd lock_root(const std::string& data_root) {
  const std::string path = data_root + "/berthd.lock";
  sys::UniqueFd lock = sys::open_file(path, O_RDWR | O_CREAT, 0600);
  // Not flock(2): a shim that was being spawned when its daemon was killed would hold that lock for a moment longer.
  struct flock whole{};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  if (::fcntl(lock.get(), F_SETLK, &whole) != 0) {
    throw conflict(cat("another berthd uses the data root ", data_root, " (", path, " is locked)"));
  }
  return lock;
}

/// What the running daemon is made of, in the order of building.
struct Daemon {
  Daemon(const daemon::CommandLine& command_line, DefaultPlaces where, daemon::Settings given)
      : line(command_line), places(std::move(where)), settings(std::move(given)) {}

  const daemon::CommandLine& line;
  const DefaultPlaces places;
  daemon::Settings settings;
  Logger log;
  EventLoop loop{1};
  IdleMemory memory{loop};

  void run();
  Task<void> start(engine::Engine& engine, api::Server& server, RegistryProcess& registry);
  Task<void> listen(api::Server& server);
  void listen_at(const std::string& text, bool tls, const std::optional<http::TlsOptions>& options,
                 api::Server& server) const;
  Task<void> watch_signals(engine::Engine& engine, api::Server& server, RegistryProcess& registry);
  Task<void> give_up(engine::Engine& engine, api::Server& server);
  void reload(engine::Engine& engine);
};

void Daemon::listen_at(const std::string& text, bool tls, const std::optional<http::TlsOptions>& options,
                       api::Server& server) const {
  const Host host = parse_host(text, tls);
  if (host.scheme == "unix") {
    sys::ensure_dir(std::filesystem::path{host.path}.parent_path().string());
    server.http().listen_unix(host.path, settings.text("group", "docker"));
  } else if (host.scheme == "fd") {
    std::vector<sys::UniqueFd> sockets = daemon::take_listen_fds();
    if (sockets.empty())
      throw invalid("no sockets found via socket activation: make sure the service was started by systemd");
    for (sys::UniqueFd& socket : sockets) server.http().listen_fd(std::move(socket), options);
  } else {
    server.http().listen_tcp(host.address, host.port, options);
    if (!tls) {
      log.warn("[DEPRECATION NOTICE]: API is accessible on ", text,
               " without encryption: access to the remote API is equivalent to root access on the host");
    }
  }
  log.info("API listen on ", text);
}

/// A shim that was being spawned when the daemon before us was killed holds its sockets until it runs its own program:
/// what is taken is asked for again for a while.
Task<void> Daemon::listen(api::Server& server) {
  const bool verify = settings.boolean("tlsverify", false);
  const bool tls = verify || settings.boolean("tls", false);
  std::optional<http::TlsOptions> options;
  if (tls) {
    options = http::TlsOptions{.ca_file = settings.text("tlscacert"),
                               .cert_file = settings.text("tlscert"),
                               .key_file = settings.text("tlskey"),
                               .verify = verify};
  }
  std::vector<std::string> hosts = settings.list("hosts");
  if (hosts.empty()) hosts.push_back(places.host);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{2};
  for (auto host = hosts.begin(); host != hosts.end();) {
    try {
      listen_at(*host, tls, options, server);
      ++host;
      continue;
    } catch (const Error& error) {
      const bool taken = error.kind() == ErrorKind::conflict || error.error_number() == EADDRINUSE;
      if (!taken || std::chrono::steady_clock::now() >= deadline) throw;
    }
    co_await async::sleep_for(std::chrono::milliseconds{20});
  }
}

void Daemon::reload(engine::Engine& engine) {
  try {
    const daemon::Settings fresh = read_settings(line, places);
    set_log_level(log, fresh);
    engine.reload(engine_options(fresh, places));
    settings = fresh;
    log.info("Reloaded configuration");
  } catch (const Error& error) {
    log.error("Error reconfiguring the daemon: ", error.text());
  }
}

Task<void> Daemon::watch_signals(engine::Engine& engine, api::Server& server, RegistryProcess& registry) {
  boost::asio::signal_set signals{loop, SIGTERM, SIGINT, SIGHUP};
  for (;;) {
    const int signal = co_await signals.async_wait(boost::asio::use_awaitable);
    if (signal != SIGHUP) {
      log.info("Processing signal '", signal == SIGTERM ? "terminated" : "interrupt", "'");
      break;
    }
    reload(engine);
  }
  daemon::notify_service_manager("STOPPING=1");
  engine.stop_transfers();
  co_await server.http().close();
  co_await registry.stop();
  // Containers outlive the daemon, but when the machine goes down they are to be stopped in order, as from dockerd.
  const bool keep_running = settings.boolean("live-restore", true) && !daemon::machine_is_stopping();
  co_await engine.shutdown(keep_running);
  loop.stop();
}

/// After a failure: what runs on the loop refers to the engine, so it must end first. Containers run on.
Task<void> Daemon::give_up(engine::Engine& engine, api::Server& server) {
  engine.stop_transfers();
  co_await server.http().close();
  co_await engine.shutdown(true);
}

Task<void> Daemon::start(engine::Engine& engine, api::Server& server, RegistryProcess& registry) {
  co_await engine.start();
  co_await listen(server);
  daemon::notify_service_manager("READY=1");
  log.info("Daemon has completed initialization");
  boost::asio::co_spawn(loop, registry.run(), boost::asio::detached);
  co_await memory.run();
}

void Daemon::run() {
  set_log_level(log, settings);
  if (::geteuid() != 0) throw invalid("berthd needs to be started with root privileges");
  for (const std::string& text : daemon::without_effect(settings)) log.warn(text);

  const engine::EngineOptions options = engine_options(settings, places);
  sys::ensure_private_dir(options.data_root);
  sys::ensure_private_dir(options.exec_root);
  const PidFile pid_file{settings.text("pidfile", places.pid_file)};
  const sys::UniqueFd root_lock = lock_root(options.data_root);

  engine::Engine engine{loop, log, options};
  api::Server server{
      loop,
      {engine.containers(), engine.images(), engine.system(), engine.volumes(), engine.networks(), engine.registry()},
      {.experimental = options.experimental, .on_answered = [this] { memory.answered(); }},
      log};

  RegistryProcess registry{loop, log, settings, options.data_root, options.exec_root};

  std::exception_ptr failure;
  const auto stop_on_failure = [&](const std::exception_ptr& error) {
    if (!error) return;
    failure = error;
    loop.stop();
  };
  boost::asio::co_spawn(loop, start(engine, server, registry), stop_on_failure);
  boost::asio::co_spawn(loop, watch_signals(engine, server, registry), stop_on_failure);
  loop.run();
  if (!failure) return;
  loop.restart();
  boost::asio::co_spawn(loop, give_up(engine, server), [this](const std::exception_ptr&) { loop.stop(); });
  loop.run();
  std::rethrow_exception(failure);
}

int run_program(const std::vector<std::string>& arguments) {
  const std::string program = std::filesystem::path{arguments.front()}.filename().string();
  try {
    const daemon::CommandLine line = daemon::parse_command_line({arguments.begin() + 1, arguments.end()});
    if (line.help) {
      std::fputs(daemon::help_text(program).c_str(), stdout);
      return 0;
    }
    if (line.version) {
      std::fputs(cat("Berth version ", BERTH_VERSION, "\n").c_str(), stdout);
      return 0;
    }
    const DefaultPlaces places{program};
    const daemon::Settings settings = read_settings(line, places);
    if (line.validate) {
      engine_options(settings, places);
      std::fputs("configuration OK\n", stdout);
      return 0;
    }
    prepare_process();
    Daemon{line, places, settings}.run();
    return 0;
  } catch (const Error& error) {
    std::string text = error.text();
    if (text.starts_with("unknown") || text.starts_with("flag needs") || text.starts_with("invalid argument")) {
      text += cat("\nSee '", program, " --help'.");
      std::fputs(cat(text, "\n").c_str(), stderr);
      return 125;
    }
    std::fputs(cat(program, ": ", text, "\n").c_str(), stderr);
    return 1;
  } catch (const std::exception& error) {
    std::fputs(cat(program, ": ", error.what(), "\n").c_str(), stderr);
    return 1;
  }
}

}  // namespace
}  // namespace berth

int main(int argc, char** argv) { return berth::run_program({argv, argv + argc}); }
