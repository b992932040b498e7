#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/async/task.h"

struct sqlite3;
struct sqlite3_stmt;

/// SQLite in WAL mode with one writer. Writes of all callers that arrive while a commit is under way share
/// the next commit (group commit); a write is durable (synchronous=FULL) when its call returns.
namespace berth::db {

class Connection;

/// A prepared statement, taken from the connection's cache; reset when it goes out of scope.
class Statement {
 public:
  Statement(Statement&&) noexcept;
  ~Statement();
  Statement& bind(int index, std::string_view text);  ///< indexes start at 1
  Statement& bind(int index, std::int64_t number);
  Statement& bind_blob(int index, std::string_view bytes);
  Statement& bind_null(int index);
  bool step();  ///< true: a row is there
  void run() {
    while (step()) {
    }
  }
  std::string text(int column) const;  ///< columns start at 0; blobs too
  std::int64_t number(int column) const;
  bool is_null(int column) const;

 private:
  friend class Connection;
  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}
  sqlite3_stmt* statement_;
};

class Connection {
 public:
  explicit Connection(const std::string& path);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  Statement prepare(std::string_view sql);  ///< cached by text
  void execute(std::string_view sql);       ///< one or several statements without parameters

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

class Database {
 public:
  /// Opens or creates the file. Throws system with what to do when it is corrupt.
  Database(EventLoop& loop, std::string path);
  ~Database();  ///< commits what is queued

  /// Runs `work` inside the next group transaction on the writer's thread; resumes on the loop when it is
  /// durable. A throw in `work` rolls back that work alone (savepoint) and is rethrown here.
  Task<void> write(std::function<void(Connection&)> work);
  /// The same for callers on other threads; blocks.
  void write_blocking(const std::function<void(Connection&)>& work);
  /// Runs on the writer's thread before each commit, behind the works of a group: what they need on the disk before
  /// their rows are there can be seen to once for all. Its throw fails the whole group. Set before the first write.
  void before_commit(std::function<void()> hook);
  /// Runs `work` now on the calling thread with a connection for reading (start-up, rare queries).
  void read(const std::function<void(Connection&)>& work);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace berth::db
