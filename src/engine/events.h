#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/async/async.h"
#include "base/core/time.h"
#include "base/json/json.h"
#include "engine/filters.h"
#include "engine/system.h"

/// What happens in the engine, as GET /events tells it. Spec: docker-engine-api-v1.51.yaml, EventMessage.
namespace berth::engine {

struct EventActor {
  std::string id;
  std::map<std::string, std::string> attributes;
  static void describe(auto& self, auto&& field) {
    field("ID", self.id);
    field("Attributes", self.attributes);
  }
};

struct EventMessage {
  std::string status, id, from;  ///< of containers and images only: what clients before API 1.22 read
  std::string type, action;      ///< type: container, image, volume, network, daemon
  EventActor actor;
  std::string scope = "local";
  std::int64_t time = 0, time_nano = 0;
  static void describe(auto& self, auto&& field) {
    field("status", self.status, json::omit_empty);
    field("id", self.id, json::omit_empty);
    field("from", self.from, json::omit_empty);
    field("Type", self.type);
    field("Action", self.action);
    field("Actor", self.actor);
    field("scope", self.scope);
    field("time", self.time);
    field("timeNano", self.time_nano);
  }
};

/// True when every filter of GET /events lets the message pass (container, image, volume, network, daemon by ID or
/// name; event; type; label; scope).
bool matches(const EventMessage& message, const Filters& filters);
/// Throws invalid for a filter name that events do not have.
void check_event_filters(const Filters& filters);

/// The last kKept events in one ring, with any number of readers. A reader is a cursor, so that a slow one costs no
/// memory: what it was too slow for, it never sees. Used on the event loop only; readers must not outlive the log.
class EventLog {
 public:
  static constexpr std::size_t kKept = 1024;

  explicit EventLog(EventLoop& loop);

  /// Fills time and the legacy fields, and wakes the readers.
  void publish(std::string type, std::string action, std::string actor_id,
               std::map<std::string, std::string> attributes);

  /// since   kept events from then on come first; nullopt: only what happens from now on
  /// until   the stream ends then (in the past: after the kept events before it); nullopt: never
  std::unique_ptr<EventStream> open(std::optional<Time> since, std::optional<Time> until, Filters filters);
  std::size_t readers() const { return readers_; }  ///< NEventsListener of info

 private:
  friend class EventReader;
  struct Entry {
    EventMessage message;
    std::string json;
  };
  std::uint64_t end() const { return first_ + entries_.size(); }

  std::deque<Entry> entries_;
  std::uint64_t first_ = 0;  ///< sequence number of entries_.front()
  std::int64_t last_nano_ = 0;
  std::size_t readers_ = 0;
  async::Signal changed_;
};

}  // namespace berth::engine
