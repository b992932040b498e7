#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace berth::registry::server {

/// What somebody may do with a repository.
struct Actions {
  bool pull = false, push = false, remove = false;

  static Actions all() { return {.pull = true, .push = true, .remove = true}; }
  bool none() const { return !pull && !push && !remove; }
  bool covers(const Actions& wanted) const {
    return (pull || !wanted.pull) && (push || !wanted.push) && (remove || !wanted.remove);
  }
  Actions operator&(const Actions& other) const {
    return {.pull = pull && other.pull, .push = push && other.push, .remove = remove && other.remove};
  }
  Actions operator|(const Actions& other) const {
    return {.pull = pull || other.pull, .push = push || other.push, .remove = remove || other.remove};
  }
  bool operator==(const Actions&) const = default;
};

/// "pull", "push", "delete", "*"; other words are nothing, since servers of the future may know more of them.
Actions parse_action(std::string_view word);
std::vector<std::string> names_of(const Actions& actions);

/// Who may do what: one rule a line, `USER REPOSITORY ACTIONS`, which add up.
///
///   # who    where        what
///   *        *            pull            everybody with a name
///   -        public/*     pull            also without one
///   moby     team/*       pull,push
///   ci       ci/cache     pull,push,delete
class Rights {
 public:
  /// Everybody who has a name may do everything; who has none may `nameless`.
  explicit Rights(Actions nameless) : nameless_(nameless) {}
  /// Throws invalid with the line that makes no sense.
  static Rights parse(std::string_view text);

  /// `user` "" is nobody.
  Actions of(std::string_view user, std::string_view repository) const;
  /// Whether `user` may read each repository there is, and each that will be.
  bool reads_all(std::string_view user) const { return of(user, "*").pull; }

 private:
  struct Rule {
    std::string user, repositories;
    Actions actions;
  };
  Actions nameless_;
  bool listed_ = false;
  std::vector<Rule> rules_;
};

/// A pattern in which '*' stands for any text, slashes too.
bool matches(std::string_view pattern, std::string_view text);

}  // namespace berth::registry::server
