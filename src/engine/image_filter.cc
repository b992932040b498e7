#include "engine/image_filter.h"

#include <fnmatch.h>

#include <algorithm>
#include <optional>
#include <set>
#include <tuple>

#include "base/core/error.h"
#include "base/core/text.h"
#include "engine/go_duration.h"
#include "oci/reference.h"

namespace berth::engine {

namespace {

std::set<std::string> parents_of(const std::vector<image::StoredImage>& images) {
  std::set<std::string> parents;
  for (const image::StoredImage& image : images) {
    if (!image.parent_id.empty()) parents.insert(image.parent_id);
  }
  return parents;
}

/// fnmatch takes a bracket that is never closed for itself; Go refuses it.
void check_pattern(const std::string& pattern) {
  bool in_bracket = false;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '\\') {
      if (++i == pattern.size()) throw invalid("syntax error in pattern");
    } else if (pattern[i] == '[') {
      in_bracket = true;
    } else if (pattern[i] == ']') {
      in_bracket = false;
    }
  }
  if (in_bracket) throw invalid("syntax error in pattern");
}

bool matches_reference(const std::vector<std::string>& patterns, const std::string& name) {
  const auto reference = oci::try_parse_reference(name);
  const std::string familiar_name = reference ? reference->familiar_name() : name;
  return std::ranges::any_of(patterns, [&](const std::string& pattern) {
    return ::fnmatch(pattern.c_str(), name.c_str(), FNM_PATHNAME) == 0 ||
           ::fnmatch(pattern.c_str(), familiar_name.c_str(), FNM_PATHNAME) == 0;
  });
}

std::int64_t unix_seconds(Time time) {
  return time == kNever ? 0 : std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

struct TimeWindow {
  std::optional<Time> before, after;

  bool contains(Time created) const {
    if ((before || after) && created == kNever) return false;
    return (!before || created < *before) && (!after || created > *after);
  }
};

TimeWindow window_of(const Filters& filters, const std::function<Time(const std::string&)>& find_created) {
  TimeWindow window;
  const auto narrow = [&](Time before) { window.before = window.before ? std::min(*window.before, before) : before; };
  for (const std::string& name : filters.get("before")) narrow(find_created(name));
  for (const std::string& text : filters.get("until")) narrow(parse_filter_time(text));
  for (const std::string& name : filters.get("since")) {
    const Time since = find_created(name);
    window.after = window.after ? std::max(*window.after, since) : since;
  }
  return window;
}

image::ImageSummary summarize(const image::StoredImage& image) {
  image::ImageSummary summary;
  summary.id = image.id;
  summary.parent_id = image.parent_id;
  summary.created = unix_seconds(image.created);
  summary.size = image.size;
  summary.labels = image.labels;
  return summary;
}

/// "unused-for", as the build cache's prune has it: Docker's "until" goes by the day an image was built.
std::optional<Time> unused_since(const Filters& filters) {
  std::optional<Time> before;
  for (const std::string& text : filters.get("unused-for")) {
    const auto duration = parse_go_duration(text);
    if (!duration) throw invalid(cat("failed to parse value as duration: ", quoted(text)));
    before = before ? std::min(*before, now() - *duration) : now() - *duration;
  }
  return before;
}

}  // namespace

Time parse_filter_time(const std::string& text) {
  if (const auto time = parse_timestamp(text)) return *time;
  if (const auto duration = parse_go_duration(text)) return now() - *duration;
  throw invalid(cat("failed to parse value as time or duration: ", quoted(text)));
}

std::vector<image::ImageSummary> summarize_images(const std::vector<image::StoredImage>& images,
                                                  const ImageListQuery& query,
                                                  const std::function<Time(const std::string&)>& find_created) {
  const Filters& filters = query.filters;
  filters.check_names({"before", "since", "until", "dangling", "label", "label!", "reference"});
  const bool dangling_only = filters.get_bool("dangling", false);
  const TimeWindow window = window_of(filters, find_created);
  const std::vector<std::string>& patterns = filters.get("reference");
  std::ranges::for_each(patterns, check_pattern);
  const std::set<std::string> parents = parents_of(images);

  std::vector<image::ImageSummary> summaries;
  for (const image::StoredImage& image : images) {
    const bool has_children = parents.contains(image.id);
    if (image.is_variant && !query.all) continue;
    if (dangling_only && (has_children || image.is_variant)) continue;
    if (!window.contains(image.created) || !filters.match_labels(image.labels)) continue;
    image::ImageSummary summary = summarize(image);
    const auto keep = [&](const std::string& name) { return patterns.empty() || matches_reference(patterns, name); };
    std::ranges::copy_if(image.repo_tags, std::back_inserter(summary.repo_tags), keep);
    std::ranges::copy_if(image.repo_digests, std::back_inserter(summary.repo_digests), keep);
    if (summary.repo_tags.empty() && summary.repo_digests.empty()) {
      // Steps of a build show only with --all; an image without a name never matches one.
      if (!query.all && has_children) continue;
      if (filters.has("dangling") && !dangling_only) continue;
      if (!patterns.empty()) continue;
    } else if (dangling_only && !summary.repo_tags.empty()) {
      continue;
    }
    if (query.shared_size) summary.shared_size = image.shared_size;
    summaries.push_back(std::move(summary));
  }
  std::ranges::sort(summaries,
                    [](const auto& a, const auto& b) { return std::tie(b.created, a.id) < std::tie(a.created, b.id); });
  return summaries;
}

std::vector<std::string> names_of(const image::StoredImage& image) {
  std::vector<std::string> names = image.repo_tags;
  names.insert(names.end(), image.repo_digests.begin(), image.repo_digests.end());
  return names;
}

std::vector<ChosenImage> choose_prunable(const std::vector<image::StoredImage>& images, const Filters& filters) {
  filters.check_names({"dangling", "label", "label!", "until", "unused-for"});
  const bool dangling_only = filters.get_bool("dangling", true);
  const TimeWindow window = window_of(filters, {});
  const std::optional<Time> used_before = unused_since(filters);
  const std::set<std::string> parents = parents_of(images);
  std::vector<ChosenImage> chosen;
  for (const image::StoredImage& image : images) {
    if (image.is_variant) continue;  // it goes with the name
    const bool named = !image.repo_tags.empty() || !image.repo_digests.empty();
    if (parents.contains(image.id) && (dangling_only || !named)) continue;
    if (!window.contains(image.created) || !filters.match_labels(image.labels)) continue;
    if (used_before && image.last_used > *used_before) continue;
    if (!named) {
      chosen.push_back({.id = image.id, .names = {image.id}});
    } else if (!dangling_only || image.repo_tags.empty()) {
      chosen.push_back({.id = image.id, .names = names_of(image)});
    }
  }
  return chosen;
}

}  // namespace berth::engine
