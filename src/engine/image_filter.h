#pragma once

#include <string>
#include <vector>

#include "engine/images.h"

namespace berth::engine {

/// The answer of GET /images/json out of all images, newest first: Docker's filters (before, since, until, dangling,
/// label, reference) and its rules for images without a name. Throws invalid for a filter that does not exist, and
/// not_found for an image that a filter names in vain: `find_created` looks it up.
std::vector<image::ImageSummary> summarize_images(const std::vector<image::StoredImage>& images,
                                                  const ImageListQuery& query,
                                                  const std::function<Time(const std::string&)>& find_created);

/// The IDs or names to remove for POST /images/prune, by its filters (dangling, label, until, and Berth's unused-for).
/// A name stands for a tag or digest, an ID for an image without any.
std::vector<std::string> names_of(const image::StoredImage& image);  ///< tags, then digests

struct ChosenImage {
  std::string id;
  std::vector<std::string> names;  ///< by which it is to be removed: tags and digests, or else its ID
};
std::vector<ChosenImage> choose_prunable(const std::vector<image::StoredImage>& images, const Filters& filters);

/// `text` as a time for "until" and "since": a timestamp, or a duration before now ("24h").
Time parse_filter_time(const std::string& text);

}  // namespace berth::engine
