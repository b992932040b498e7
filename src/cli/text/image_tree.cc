#include "cli/text/image_tree.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "base/core/text.h"
#include "cli/text/table.h"
#include "cli/text/units.h"

namespace berth::cli {

namespace {

constexpr std::string_view kGap = "   ", kUntagged = "<untagged>";
constexpr std::size_t kIdWidth = 12, kUsageWidth = 10, kContentWidth = 12, kExtraWidth = 5;

struct Line {
  std::string name, id;
  double usage = 0, content = 0;
  bool in_use = false;
};

struct Tree {
  std::vector<std::string> names;
  Line whole;
  std::vector<Line> platforms;
};

std::string left(std::string_view text, std::size_t width) {
  const std::size_t own = characters(text);
  return cat(text, std::string(width > own ? width - own : 0, ' '));
}

std::string right(std::string_view text, std::size_t width) {
  const std::size_t own = characters(text);
  return cat(std::string(width > own ? width - own : 0, ' '), text);
}

std::string platform_text(const Json& manifest) {
  const Json& platform = at(at(manifest, "ImageData"), "Platform");
  const std::string variant = text_at(platform, "variant");
  return cat(text_at(platform, "os"), "/", text_at(platform, "architecture"), variant.empty() ? "" : "/", variant);
}

std::string short_id(const std::string& digest) { return digest.substr(digest.find(':') + 1, kIdWidth); }

Tree read_tree(const Json& image) {
  Tree tree{.names = texts_at(image, "RepoTags"), .whole = {}, .platforms = {}};
  std::ranges::sort(tree.names);
  tree.whole.id = short_id(text_at(image, "Id"));
  tree.whole.usage = double_at(image, "Size");
  tree.whole.in_use = number_at(image, "Containers") > 0;
  for (const Json& manifest : array_at(image, "Manifests")) {
    const Json& size = at(manifest, "Size");
    tree.whole.content += double_at(size, "Content");
    if (text_at(manifest, "Kind") != "image") continue;
    const bool in_use = !array_at(at(manifest, "ImageData"), "Containers").empty();
    tree.whole.in_use = tree.whole.in_use || in_use;
    tree.platforms.push_back({.name = platform_text(manifest),
                              .id = short_id(text_at(manifest, "ID")),
                              .usage = double_at(size, "Total"),
                              .content = double_at(size, "Content"),
                              .in_use = in_use});
  }
  for (Line& platform : tree.platforms)
    platform.name = cat(&platform == &tree.platforms.back() ? "└─ " : "├─ ", platform.name);
  if (tree.names.empty()) tree.names.emplace_back(kUntagged);
  return tree;
}

/// By the first name; what has none comes last.
bool comes_first(const Tree& one, const Tree& other) {
  const bool is_nameless = one.names.front() == kUntagged, other_is = other.names.front() == kUntagged;
  if (is_nameless != other_is) return other_is;
  return one.names.front() < other.names.front();
}

}  // namespace

std::string image_tree(const Json& images, bool with_nameless) {
  std::vector<Tree> trees;
  for (const Json& image : as_array(images)) {
    if (with_nameless || !array_at(image, "RepoTags").empty()) trees.push_back(read_tree(image));
  }
  std::ranges::stable_sort(trees, comes_first);
  std::size_t name_width = std::string_view{"IMAGE"}.size();
  bool has_platforms = false;
  for (const Tree& tree : trees) {
    for (const std::string& name : tree.names) name_width = std::max(name_width, characters(name));
    for (const Line& line : tree.platforms) name_width = std::max(name_width, line.name.size());  // bytes, as Docker
    has_platforms = has_platforms || !tree.platforms.empty();
  }
  const auto columns = [](std::string_view id, std::string_view usage, std::string_view content,
                          std::string_view extra) {
    return cat(kGap, left(id, kIdWidth), kGap, right(usage, kUsageWidth), kGap, right(content, kContentWidth), kGap,
               left(extra, kExtraWidth), "\n");
  };
  const auto details = [&](const Line& line) {
    return columns(line.id, human_size(line.usage, 3), human_size(line.content, 3), line.in_use ? "U" : "");
  };
  std::string text = cat(left("IMAGE", name_width), columns("ID", "DISK USAGE", "CONTENT SIZE", "EXTRA"));
  for (const Tree& tree : trees) {
    for (const std::string& name : tree.names)
      text += cat(left(name, name_width), &name == &tree.names.back() ? "" : "\n");
    text += details(tree.whole);
    for (const Line& line : tree.platforms) text += cat(left(line.name, name_width), details(line));
    if (has_platforms) text += "\n";
  }
  return text;
}

}  // namespace berth::cli
