#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/db/database.h"
#include "container/record.h"

namespace berth::engine {

/// The containers of the state database: one row each, the record as JSON. Names are unique there, whatever the
/// engine believes. Each call takes its copy of the record before it first waits, so that later changes are not mixed
/// in; calls about one container are carried out in the order they were made.
class StateStore {
 public:
  explicit StateStore(db::Database& database);  ///< makes the table

  struct Unreadable {
    std::string id, name, problem;
  };
  struct Loaded {
    std::vector<container::Record> records;
    std::vector<Unreadable> unreadable;  ///< their rows are left as they are
  };
  Loaded load();

  /// Rows of other tables that come or go with a container's, in the same transaction.
  using Along = std::function<void(db::Connection&)>;

  Task<void> insert(const container::Record& record, Along along = {});  ///< throws conflict when ID or name is taken
  /// Durable when it returns. A row that has been erased stays erased.
  Task<void> update(const container::Record& record);
  Task<void> erase(std::string id, Along along = {});

 private:
  Task<void> run(std::function<void(db::Connection&)> work);
  db::Database& database_;
};

}  // namespace berth::engine
