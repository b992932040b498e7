// What most sources include anyway, compiled once (cmake/rooms.cmake). A source still names what it uses: the debug
// preset, which clang-tidy reads, builds without precompiled headers.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <ranges>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
