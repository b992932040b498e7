#pragma once

#include "base/json/json.h"

namespace berth::container {

/// A list or map that remembers whether it was given: null and [] differ for clients of Docker, which gives back what
/// it got. To JSON it is a std::optional of itself.
template <class Container>
struct Given : Container {
  using Container::Container;
  bool given = false;

  bool has_value() const { return given || !this->empty(); }
  explicit operator bool() const { return has_value(); }
  const Container& operator*() const { return *this; }
  Container& emplace() {
    this->clear();
    given = true;
    return *this;
  }
};

}  // namespace berth::container

template <class Container>
struct berth::json::detail::IsOptional<berth::container::Given<Container>> : std::true_type {};
