#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json/json.h"

/// What a check of the store finds (`POST /system/fsck`, which is Berth's own).
namespace berth::image {

struct Problem {
  std::string kind;                 ///< "missing", "damaged", "stray", "inconsistent"
  std::string object;               ///< "config", "manifest", "content", "layer", "blob", "image", "container layer"
  std::string id;                   ///< digest, chain ID, image ID, container ID
  std::string message;              ///< what is wrong, and after it what to do
  std::vector<std::string> images;  ///< names (or IDs) that need the object
  std::vector<std::string> containers;  ///< IDs of those that stand on it
  bool repaired = false;
  static void describe(auto& self, auto&& field) {
    field("Kind", self.kind);
    field("Object", self.object);
    field("ID", self.id);
    field("Message", self.message);
    field("Images", self.images, json::omit_empty);
    field("Containers", self.containers, json::omit_empty);
    field("Repaired", self.repaired);
  }
};

/// What was looked at, and how it ended: the last line of the answer.
struct CheckSummary {
  std::uint64_t images = 0, documents = 0, layers = 0, containers = 0;
  std::uint64_t bytes = 0;  ///< of the layers' tars, made again and hashed
  std::uint64_t problems = 0, repaired = 0;
  static void describe(auto& self, auto&& field) {
    field("Images", self.images);
    field("Documents", self.documents);
    field("Layers", self.layers);
    field("Containers", self.containers);
    field("Bytes", self.bytes);
    field("Problems", self.problems);
    field("Repaired", self.repaired);
  }
};

/// One line of the answer: one of the two.
struct CheckLine {
  std::optional<Problem> problem;
  std::optional<CheckSummary> summary;
  static void describe(auto& self, auto&& field) {
    field("Problem", self.problem, json::omit_empty);
    field("Summary", self.summary, json::omit_empty);
  }
};

}  // namespace berth::image
