#include "base/db/database.h"

#include <fcntl.h>
#include <sqlite3.h>

#include <boost/asio/post.hpp>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "base/async/async.h"
#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/fd.h"

namespace berth::db {

namespace {

Error sqlite_error(sqlite3* handle, int code, std::string_view doing) {
  std::string text =
      cat("state database: ", doing, ": ", handle != nullptr ? sqlite3_errmsg(handle) : sqlite3_errstr(code));
  if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB) {
    text +=
        " (the file is damaged: restore it from a backup. Without one, start anew: move it, containers, content and "
        "overlay2 out of the data root; volumes are kept)";
  }
  if (code == SQLITE_FULL) text += ": no space left on device";
  return system_error(std::move(text));
}

sqlite3* handle_of(sqlite3_stmt* statement) { return sqlite3_db_handle(statement); }

}  // namespace

// ---- Statement ----

Statement::Statement(Statement&& other) noexcept : statement_(std::exchange(other.statement_, nullptr)) {}

Statement::~Statement() {
  if (statement_ == nullptr) return;
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

Statement& Statement::bind(int index, std::string_view text) {
  sqlite3_bind_text(statement_, index, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
  return *this;
}

Statement& Statement::bind(int index, std::int64_t number) {
  sqlite3_bind_int64(statement_, index, number);
  return *this;
}

Statement& Statement::bind_blob(int index, std::string_view bytes) {
  sqlite3_bind_blob(statement_, index, bytes.data(), static_cast<int>(bytes.size()), SQLITE_TRANSIENT);
  return *this;
}

Statement& Statement::bind_null(int index) {
  sqlite3_bind_null(statement_, index);
  return *this;
}

bool Statement::step() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  throw sqlite_error(handle_of(statement_), code, sqlite3_sql(statement_));
}

std::string Statement::text(int column) const {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_, column));
  return bytes == nullptr ? std::string{}
                          : std::string(bytes, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column)));
}

std::int64_t Statement::number(int column) const { return sqlite3_column_int64(statement_, column); }
bool Statement::is_null(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }

// ---- Connection ----

struct Connection::Impl {
  sqlite3* handle = nullptr;
  std::map<std::string, sqlite3_stmt*, std::less<>> statements;
};

Connection::Connection(const std::string& path) : impl_(std::make_unique<Impl>()) {
  // Each connection stays on one thread at a time, so SQLite needs no mutexes of its own.
  const int code = sqlite3_open_v2(path.c_str(), &impl_->handle,
                                   SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  try {
    if (code != SQLITE_OK) throw sqlite_error(impl_->handle, code, cat("opening ", path));
    sqlite3_busy_timeout(impl_->handle, 10'000);
    execute(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-512; PRAGMA foreign_keys=ON;"
        "PRAGMA wal_autocheckpoint=400; PRAGMA journal_size_limit=4194304");
  } catch (...) {
    sqlite3_close(impl_->handle);
    throw;
  }
}

Connection::~Connection() {
  for (const auto& [sql, statement] : impl_->statements) sqlite3_finalize(statement);
  sqlite3_close(impl_->handle);
}

Statement Connection::prepare(std::string_view sql) {
  if (const auto found = impl_->statements.find(sql); found != impl_->statements.end()) {
    return Statement{found->second};
  }
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(impl_->handle, sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code != SQLITE_OK) throw sqlite_error(impl_->handle, code, sql);
  impl_->statements.emplace(sql, statement);
  return Statement{statement};
}

void Connection::execute(std::string_view sql) {
  const int code = sqlite3_exec(impl_->handle, std::string{sql}.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) throw sqlite_error(impl_->handle, code, sql);
}

// ---- Database ----

struct Database::Impl {
  struct Write {
    const std::function<void(Connection&)>* work;
    std::exception_ptr error;
    std::function<void()> done;  ///< called on the writer's thread, after the commit
  };

  Impl(EventLoop& event_loop, std::string file)
      : loop(event_loop), path(std::move(file)), writer_connection(path), thread([this] { serve(); }) {}

  void submit(Write* write) {
    {
      const std::lock_guard lock{mutex};
      queue.push_back(write);
    }
    filled.notify_one();
  }

  void serve() {
    for (;;) {
      std::vector<Write*> batch;
      {
        std::unique_lock lock{mutex};
        filled.wait(lock, [this] { return stopping || !queue.empty(); });
        if (queue.empty()) return;
        batch.swap(queue);
      }
      commit(batch);
      if (!std::exchange(reserved, true)) reserve();
      for (Write* write : batch) {
        const std::function<void()> done = std::move(write->done);
        done();  // may free the Write
      }
    }
  }

  /// All of a batch in one transaction, each in a savepoint, so that one that throws takes only its own
  /// changes back.
  void commit(const std::vector<Write*>& batch) {
    try {
      writer_connection.execute("BEGIN IMMEDIATE");
      for (Write* write : batch) run(*write);
      if (before_commit) before_commit();
      writer_connection.execute("COMMIT");
    } catch (...) {
      const std::exception_ptr error = std::current_exception();
      for (Write* write : batch) {
        if (!write->error) write->error = error;
      }
      try {
        writer_connection.execute("ROLLBACK");
      } catch (const Error&) {  // SQLite rolls back by itself after a full disk
      }
    }
  }

  /// Blocks behind the write-ahead log's end, which nothing else can take: on a full disk containers and images can
  /// still be removed. Not every file system can; it then is as it was.
  void reserve() const {
    constexpr off_t kReserve = 2 << 20;  // as much as the log holds before it is written back
    const sys::UniqueFd log{::open((path + "-wal").c_str(), O_RDWR | O_CLOEXEC)};
    if (log) (void)::fallocate(log.get(), FALLOC_FL_KEEP_SIZE, 0, kReserve);
  }

  void run(Write& write) {
    writer_connection.prepare("SAVEPOINT one").run();
    try {
      (*write.work)(writer_connection);
    } catch (...) {
      write.error = std::current_exception();
      writer_connection.prepare("ROLLBACK TO one").run();
    }
    writer_connection.prepare("RELEASE one").run();
  }

  EventLoop& loop;
  const std::string path;
  std::function<void()> before_commit;  ///< handed to the writer's thread by the mutex of the queue
  Connection writer_connection;
  std::mutex mutex;
  std::condition_variable filled;
  std::vector<Write*> queue;
  bool stopping = false, reserved = false;
  std::thread thread;
};

Database::Database(EventLoop& loop, std::string path) : impl_(std::make_unique<Impl>(loop, std::move(path))) {}

Database::~Database() {
  {
    const std::lock_guard lock{impl_->mutex};
    impl_->stopping = true;
  }
  impl_->filled.notify_one();
  impl_->thread.join();
}

Task<void> Database::write(std::function<void(Connection&)> work) {
  struct State {
    explicit State(EventLoop& loop) : done(loop) {}
    std::function<void(Connection&)> work;
    Impl::Write write{};  // NOLINT(bugprone-throw-keyword-missing): its exception_ptr is for what will be thrown
    async::Completion done;
  };
  // Shared, since the loop may end, and the caller with it, while the writer is at work.
  auto state = std::make_shared<State>(impl_->loop);
  state->work = std::move(work);
  state->write.work = &state->work;
  // The state goes to the loop with the post: its timer must not end on the writer's thread.
  state->write.done = [state, &loop = impl_->loop]() mutable {
    boost::asio::post(loop, [state = std::move(state)] { state->done.finish(); });
  };
  impl_->submit(&state->write);
  const bool cancelled = co_await state->done.wait();
  if (state->write.error) std::rethrow_exception(state->write.error);
  if (cancelled) throw Error{ErrorKind::cancelled, "context canceled"};
}

void Database::write_blocking(const std::function<void(Connection&)>& work) {
  std::mutex mutex;
  std::condition_variable changed;
  bool finished = false;
  Impl::Write write{&work, nullptr, [&] {
                      const std::lock_guard lock{mutex};  // notified inside: the waiter owns what we touch
                      finished = true;
                      changed.notify_one();
                    }};
  impl_->submit(&write);
  std::unique_lock lock{mutex};
  changed.wait(lock, [&] { return finished; });
  if (write.error) std::rethrow_exception(write.error);
}

void Database::before_commit(std::function<void()> hook) {
  const std::lock_guard lock{impl_->mutex};
  impl_->before_commit = std::move(hook);
}

void Database::read(const std::function<void(Connection&)>& work) {
  Connection connection{impl_->path};
  work(connection);
}

}  // namespace berth::db
