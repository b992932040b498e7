#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/core/time.h"
#include "base/json/json.h"
#include "oci/container_config.h"
#include "oci/image.h"

/// Images as the API shows them. Spec: docker-engine-api-v1.51.yaml, ImageSummary, ImageInspect, …
namespace berth::image {

struct ManifestSize {
  std::int64_t content = 0;  ///< compressed blobs, as far as they are kept
  std::int64_t total = 0;
  static void describe(auto& self, auto&& field) {
    field("Content", self.content);
    field("Total", self.total);
  }
};

struct UnpackedSize {
  std::int64_t unpacked = 0;
  static void describe(auto& self, auto&& field) { field("Unpacked", self.unpacked); }
};

struct ManifestImageData {
  oci::Platform platform;
  std::vector<std::string> containers;
  UnpackedSize size;
  static void describe(auto& self, auto&& field) {
    field("Platform", self.platform);
    field("Containers", self.containers);
    field("Size", self.size);
  }
};

struct ManifestAttestationData {
  std::string target;  ///< digest of the image's manifest
  static void describe(auto& self, auto&& field) { field("For", self.target); }
};

/// One platform's manifest of an image. Spec: docker-engine-api-v1.51.yaml, ImageManifestSummary.
struct ManifestSummary {
  std::string id;
  oci::Descriptor descriptor;
  bool available = false;
  ManifestSize size;
  std::string kind = "image";  ///< "image", "attestation", "unknown"
  std::optional<ManifestImageData> image_data;
  std::optional<ManifestAttestationData> attestation_data;
  static void describe(auto& self, auto&& field) {
    field("ID", self.id);
    field("Descriptor", self.descriptor);
    field("Available", self.available);
    field("Size", self.size);
    field("Kind", self.kind);
    field("ImageData", self.image_data, json::omit_empty);
    field("AttestationData", self.attestation_data, json::omit_empty);
  }
};

struct ImageSummary {
  std::string id, parent_id;
  std::vector<std::string> repo_tags, repo_digests;
  std::int64_t created = 0;  ///< seconds since the epoch
  std::int64_t size = 0, shared_size = -1, containers = -1;
  std::optional<std::int64_t> virtual_size;   ///< before API 1.44
  std::optional<oci::Descriptor> descriptor;  ///< these two when they were asked for
  std::optional<std::vector<ManifestSummary>> manifests;
  std::map<std::string, std::string> labels;
  static void describe(auto& self, auto&& field) {
    field("Containers", self.containers);
    field("Created", self.created);
    field("Descriptor", self.descriptor, json::omit_empty);
    field("Id", self.id);
    field("Labels", self.labels, json::null_if_empty);
    field("Manifests", self.manifests, json::omit_empty);
    field("ParentId", self.parent_id);
    field("RepoDigests", self.repo_digests);
    field("RepoTags", self.repo_tags);
    field("SharedSize", self.shared_size);
    field("Size", self.size);
    field("VirtualSize", self.virtual_size, json::omit_empty);
  }
};

/// What a name stands for: an index with all its manifests, or one manifest.
struct IndexView {
  oci::Descriptor descriptor;
  std::vector<ManifestSummary> manifests;
};

/// One image with what filters and usage accounting need.
struct StoredImage {
  std::string id, parent_id;
  std::vector<std::string> repo_tags, repo_digests;
  std::string os, architecture;
  Time created{}, loaded{};
  Time last_used{};  ///< by a container, or loaded, pulled, tagged
  std::int64_t size = 0, shared_size = 0;
  std::vector<std::string> variants;  ///< IDs of what its names stand for besides, for other platforms
  bool is_variant = false;            ///< without a name of its own, for another platform of an image that has one
  std::map<std::string, std::string> labels;
};

struct GraphDriverData {
  std::string name;
  std::map<std::string, std::string> data;
  static void describe(auto& self, auto&& field) {
    field("Data", self.data);
    field("Name", self.name);
  }
};

struct RootFs {
  std::string type = "layers";
  std::vector<std::string> layers;
  static void describe(auto& self, auto&& field) {
    field("Type", self.type);
    field("Layers", self.layers, json::omit_empty);
  }
};

struct ImageMetadata {
  std::string last_tag_time;
  static void describe(auto& self, auto&& field) { field("LastTagTime", self.last_tag_time); }
};

struct ImageInspect {
  std::string id;
  std::vector<std::string> repo_tags, repo_digests;
  std::string parent, comment, created, docker_version, author;
  oci::ContainerConfig config;
  std::string architecture, variant, os, os_version;
  std::int64_t size = 0;
  GraphDriverData graph_driver;
  RootFs root_fs;
  ImageMetadata metadata;
  std::optional<oci::Descriptor> descriptor;  ///< these two when the manifests were asked for
  std::optional<std::vector<ManifestSummary>> manifests;
  static void describe(auto& self, auto&& field) {
    field("Id", self.id);
    field("Descriptor", self.descriptor, json::omit_empty);
    field("Manifests", self.manifests, json::omit_empty);
    field("RepoTags", self.repo_tags);
    field("RepoDigests", self.repo_digests);
    field("Parent", self.parent);
    field("Comment", self.comment);
    field("Created", self.created, json::omit_empty);
    field("DockerVersion", self.docker_version);
    field("Author", self.author);
    field("Config", self.config);
    field("Architecture", self.architecture);
    field("Variant", self.variant, json::omit_empty);
    field("Os", self.os);
    field("OsVersion", self.os_version, json::omit_empty);
    field("Size", self.size);
    field("VirtualSize", self.size);
    field("GraphDriver", self.graph_driver);
    field("RootFS", self.root_fs);
    field("Metadata", self.metadata);
  }
};

struct HistoryEntry {
  std::string id;  ///< "<missing>" for all but the newest
  std::int64_t created = 0;
  std::string created_by;
  std::vector<std::string> tags;
  std::int64_t size = 0;
  std::string comment;
  static void describe(auto& self, auto&& field) {
    field("Comment", self.comment);
    field("Created", self.created);
    field("CreatedBy", self.created_by);
    field("Id", self.id);
    field("Size", self.size);
    field("Tags", self.tags, json::null_if_empty);
  }
};

struct DeleteResponse {
  std::string untagged, deleted;
  static void describe(auto& self, auto&& field) {
    field("Deleted", self.deleted, json::omit_empty);
    field("Untagged", self.untagged, json::omit_empty);
  }
};

struct PruneReport {
  std::vector<DeleteResponse> images_deleted;
  std::uint64_t space_reclaimed = 0;
  static void describe(auto& self, auto&& field) {
    field("ImagesDeleted", self.images_deleted, json::null_if_empty);
    field("SpaceReclaimed", self.space_reclaimed);
  }
};

}  // namespace berth::image
