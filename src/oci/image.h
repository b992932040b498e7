#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json/json.h"
#include "oci/container_config.h"

/// The documents of an image, as plain values. Spec: opencontainers/image-spec config.md, manifest.md, image-index.md;
/// Docker's own forms (moby image/spec/v1.2) differ in field order and media types only.
namespace berth::oci {

inline constexpr std::string_view kMediaManifest = "application/vnd.oci.image.manifest.v1+json",
                                  kMediaIndex = "application/vnd.oci.image.index.v1+json",
                                  kMediaConfig = "application/vnd.oci.image.config.v1+json",
                                  kMediaLayer = "application/vnd.oci.image.layer.v1.tar",
                                  kMediaDockerManifest = "application/vnd.docker.distribution.manifest.v2+json",
                                  kMediaDockerList = "application/vnd.docker.distribution.manifest.list.v2+json";

struct Platform {
  std::string architecture, os, os_version, variant;
  static void describe(auto& self, auto&& field) {
    field("architecture", self.architecture);
    field("os", self.os);
    field("os.version", self.os_version, json::omit_empty);
    field("variant", self.variant, json::omit_empty);
  }
};

struct Descriptor {
  std::string media_type, digest;
  std::int64_t size = 0;
  std::map<std::string, std::string> annotations;
  std::optional<Platform> platform;
  std::vector<std::string> urls;  ///< of a foreign layer: where else it may be
  static void describe(auto& self, auto&& field) {
    field("mediaType", self.media_type);
    field("digest", self.digest);
    field("size", self.size);
    field("annotations", self.annotations, json::omit_empty);
    field("platform", self.platform, json::omit_empty);
    field("urls", self.urls, json::omit_empty);
  }
};

/// A layer that its maker lets nobody hand on. Spec: image-spec layer.md, "Non-Distributable Layers".
inline bool is_foreign_layer(std::string_view media_type) {
  return media_type.find(".foreign.") != std::string_view::npos ||
         media_type.find("nondistributable") != std::string_view::npos;
}

struct Manifest {
  int schema_version = 2;
  std::string media_type;
  Descriptor config;
  std::vector<Descriptor> layers;
  std::map<std::string, std::string> annotations;
  static void describe(auto& self, auto&& field) {
    field("schemaVersion", self.schema_version);
    field("mediaType", self.media_type, json::omit_empty);
    field("config", self.config);
    field("layers", self.layers);
    field("annotations", self.annotations, json::omit_empty);
  }
};

struct Index {
  int schema_version = 2;
  std::string media_type;
  std::vector<Descriptor> manifests;
  static void describe(auto& self, auto&& field) {
    field("schemaVersion", self.schema_version);
    field("mediaType", self.media_type, json::omit_empty);
    field("manifests", self.manifests);
  }
};

struct ImageHistory {
  std::string created, created_by, author, comment;
  bool empty_layer = false;
  static void describe(auto& self, auto&& field) {
    field("created", self.created, json::omit_empty);
    field("created_by", self.created_by, json::omit_empty);
    field("author", self.author, json::omit_empty);
    field("comment", self.comment, json::omit_empty);
    field("empty_layer", self.empty_layer, json::omit_empty);
  }
};

struct ImageRootFs {
  std::string type = "layers";
  std::vector<std::string> diff_ids;
  static void describe(auto& self, auto&& field) {
    field("type", self.type);
    field("diff_ids", self.diff_ids);
  }
};

/// An image's config; its digest is the image's ID.
struct Image {
  std::string architecture, author, comment;
  ContainerConfig config;
  std::string created, docker_version;
  std::vector<ImageHistory> history;
  std::string os, os_version, variant, parent;
  ImageRootFs rootfs;
  static void describe(auto& self, auto&& field) {
    field("architecture", self.architecture, json::omit_empty);
    field("author", self.author, json::omit_empty);
    field("comment", self.comment, json::omit_empty);
    field("config", self.config);
    field("created", self.created, json::omit_empty);
    field("docker_version", self.docker_version, json::omit_empty);
    field("history", self.history, json::omit_empty);
    field("os", self.os, json::omit_empty);
    field("os.version", self.os_version, json::omit_empty);
    field("parent", self.parent, json::omit_empty);
    field("rootfs", self.rootfs);
    field("variant", self.variant, json::omit_empty);
  }
};

}  // namespace berth::oci
