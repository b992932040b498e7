#include "engine/state_store.h"

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/json/json.h"

namespace berth::engine {

StateStore::StateStore(db::Database& database) : database_(database) {
  database_.write_blocking([](db::Connection& connection) {
    connection.execute(
        "CREATE TABLE IF NOT EXISTS containers ("
        "id TEXT PRIMARY KEY NOT NULL, name TEXT UNIQUE NOT NULL, record TEXT NOT NULL) WITHOUT ROWID");
  });
}

StateStore::Loaded StateStore::load() {
  Loaded loaded;
  database_.read([&](db::Connection& connection) {
    db::Statement rows = connection.prepare("SELECT id, name, record FROM containers");
    while (rows.step()) {
      const std::string id = rows.text(0);
      try {
        container::Record record = json::from_json<container::Record>(rows.text(2));
        if (record.id != id) throw invalid("the record is of another container");
        loaded.records.push_back(std::move(record));
      } catch (const Error& error) {
        loaded.unreadable.push_back({id, rows.text(1), error.text()});
      }
    }
  });
  return loaded;
}

// Not coroutines themselves: they copy what they need before anything waits.
Task<void> StateStore::insert(const container::Record& record, Along along) {
  return run([id = record.id, name = record.name, text = json::to_json(record),
              along = std::move(along)](db::Connection& connection) {
    db::Statement taken = connection.prepare("SELECT 1 FROM containers WHERE id = ?1 OR name = ?2");
    if (taken.bind(1, id).bind(2, name).step()) {
      throw conflict(cat("container ", id, " or the name ", name, " is in the state database already"));
    }
    connection.prepare("INSERT INTO containers (id, name, record) VALUES (?1, ?2, ?3)")
        .bind(1, id)
        .bind(2, name)
        .bind(3, text)
        .run();
    if (along) along(connection);
  });
}

Task<void> StateStore::update(const container::Record& record) {
  return run([id = record.id, name = record.name, text = json::to_json(record)](db::Connection& connection) {
    connection.prepare("UPDATE containers SET name = ?2, record = ?3 WHERE id = ?1")
        .bind(1, id)
        .bind(2, name)
        .bind(3, text)
        .run();
  });
}

Task<void> StateStore::erase(std::string id, Along along) {
  return run([id = std::move(id), along = std::move(along)](db::Connection& connection) {
    connection.prepare("DELETE FROM containers WHERE id = ?1").bind(1, id).run();
    if (along) along(connection);
  });
}

Task<void> StateStore::run(std::function<void(db::Connection&)> work) { co_await database_.write(std::move(work)); }

}  // namespace berth::engine
