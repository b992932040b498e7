#include "engine/events.h"

#include <algorithm>
#include <array>

namespace berth::engine {
namespace {

constexpr std::array<std::string_view, 12> kObjectTypes = {"container", "image",  "volume",  "network",
                                                           "daemon",    "plugin", "service", "node",
                                                           "secret",    "config", "builder", "swarm"};

std::int64_t to_nano(Time time) { return time.time_since_epoch().count(); }

bool any_of_values(const std::vector<std::string>& values, const auto& predicate) {
  return values.empty() || std::ranges::any_of(values, predicate);
}

/// Docker compares images by reference without the tag too: `image=alpine` finds alpine:latest.
std::string_view without_tag(std::string_view reference) {
  const std::size_t colon = reference.rfind(':');
  if (colon == std::string_view::npos || reference.find('/', colon) != std::string_view::npos) return reference;
  return reference.substr(0, colon);
}

std::string_view attribute(const EventMessage& message, const std::string& name) {
  const auto found = message.actor.attributes.find(name);
  return found == message.actor.attributes.end() ? std::string_view{} : std::string_view{found->second};
}

/// dockerd's rule: the beginning of the ID or of the name is enough, and what kind of object it is doesn't count.
/// `network=web` also shows what happens to a container of that name.
bool names_object(const EventMessage& message, std::string_view wanted) {
  return message.actor.id.starts_with(wanted) || attribute(message, "name").starts_with(wanted);
}

bool names_image(const EventMessage& message, std::string_view wanted) {
  if (message.type == "container") {
    const std::string_view image = attribute(message, "image");
    return image == wanted || without_tag(image) == wanted;
  }
  if (message.type != "image") return false;
  const std::string_view name = attribute(message, "name");
  return message.actor.id == wanted || name == wanted || without_tag(message.actor.id) == wanted ||
         without_tag(name) == wanted;
}

/// "exec_create: sh" matches `event=exec_create`, "health_status: healthy" matches `event=health_status`.
bool names_action(const EventMessage& message, std::string_view wanted) {
  const std::string_view action = message.action;
  return action == wanted || (action.starts_with(wanted) && action.substr(wanted.size()).starts_with(':'));
}

}  // namespace

void check_event_filters(const Filters& filters) {
  filters.check_names({"config", "container", "daemon", "event", "image", "label", "network", "node", "plugin", "scope",
                       "secret", "service", "type", "volume"});
}

bool matches(const EventMessage& message, const Filters& filters) {
  if (filters.empty()) return true;
  if (!filters.match_exact("type", message.type) || !filters.match_exact("scope", message.scope)) return false;
  if (!any_of_values(filters.get("event"), [&](const std::string& value) { return names_action(message, value); })) {
    return false;
  }
  if (filters.has("label") && !filters.match_labels(message.actor.attributes)) return false;
  if (!any_of_values(filters.get("image"), [&](const std::string& value) { return names_image(message, value); })) {
    return false;
  }
  return std::ranges::all_of(kObjectTypes, [&](std::string_view type) {
    if (type == "image") return true;
    return any_of_values(filters.get(type), [&](const std::string& value) { return names_object(message, value); });
  });
}

class EventReader final : public EventStream {
 public:
  EventReader(EventLog& log, std::uint64_t cursor, std::optional<Time> since, std::optional<Time> until,
              Filters filters)
      : log_(log), cursor_(cursor), since_(since), until_(until), filters_(std::move(filters)) {
    ++log_.readers_;
  }
  ~EventReader() override { --log_.readers_; }

  Task<std::optional<std::string>> next() override {
    for (;;) {
      cursor_ = std::max(cursor_, log_.first_);
      while (cursor_ < log_.end()) {
        const EventLog::Entry& entry = log_.entries_[cursor_++ - log_.first_];
        if (until_ && entry.message.time_nano > to_nano(*until_)) co_return std::nullopt;
        if (since_ && entry.message.time_nano < to_nano(*since_)) continue;
        if (matches(entry.message, filters_)) co_return entry.json;
      }
      if (!until_) {
        co_await log_.changed_.wait();
      } else if (now() >= *until_) {
        co_return std::nullopt;
      } else {
        co_await log_.changed_.wait_for(*until_ - now());
      }
    }
  }

 private:
  EventLog& log_;
  std::uint64_t cursor_;
  std::optional<Time> since_, until_;
  Filters filters_;
};

EventLog::EventLog(EventLoop& loop) : changed_(loop) {}

void EventLog::publish(std::string type, std::string action, std::string actor_id,
                       std::map<std::string, std::string> attributes) {
  Entry& entry = entries_.emplace_back();
  EventMessage& message = entry.message;
  // Strictly increasing, so that a client that asks again with `since` sees none of them twice.
  last_nano_ = std::max(to_nano(now()), last_nano_ + 1);
  message.time_nano = last_nano_;
  message.time = last_nano_ / 1'000'000'000;
  message.type = std::move(type);
  message.action = std::move(action);
  message.actor = {std::move(actor_id), std::move(attributes)};
  if (message.type == "container" || message.type == "image") {
    message.status = message.action;
    message.id = message.actor.id;
    if (message.type == "container") message.from = attribute(message, "image");
  }
  entry.json = json::to_json(message);
  if (entries_.size() > kKept) {
    entries_.pop_front();
    ++first_;
  }
  changed_.notify_all();
}

std::unique_ptr<EventStream> EventLog::open(std::optional<Time> since, std::optional<Time> until, Filters filters) {
  // `until` alone replays too: `docker events --until 0` is how scripts ask for what has happened so far.
  const std::uint64_t cursor = since || until ? first_ : end();
  return std::make_unique<EventReader>(*this, cursor, since, until, std::move(filters));
}

}  // namespace berth::engine
