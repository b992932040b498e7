#include "image/incoming.h"

#include "archive/digest.h"
#include "base/core/error.h"
#include "base/core/text.h"
#include "image/platform.h"
#include "oci/digest.h"

namespace berth::image {

namespace {

constexpr int kMaxIndexDepth = 4;

struct DockerManifest {
  std::string config;
  std::vector<std::string> repo_tags, layers;
  std::string parent;
  static void describe(auto& self, auto&& field) {
    field("Config", self.config);
    field("RepoTags", self.repo_tags);
    field("Layers", self.layers);
    field("Parent", self.parent, json::omit_empty);
  }
};

Error no_such_file(std::string_view path) { return invalid(cat("open ", path, ": no such file or directory")); }

/// "<64 hex>.json" and "blobs/sha256/<64 hex>" promise what is in them.
void check_named_digest(std::string_view path, const std::string& digest) {
  if (path.ends_with(".json")) path.remove_suffix(5);
  const std::string_view name = path.substr(path.rfind('/') + 1);
  const std::string claimed = cat("sha256:", name);
  if (oci::is_digest(claimed) && claimed != digest) {
    throw invalid(cat("invalid config: expected digest ", quoted(claimed), ", got ", quoted(digest)));
  }
}

void check_layers(const IncomingImage& image) {
  const std::vector<std::string>& expected = image.config.rootfs.diff_ids;
  if (expected.size() != image.layers.size()) {
    throw invalid(
        cat("invalid manifest, layers length mismatch: expected ", expected.size(), ", got ", image.layers.size()));
  }
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (expected[i] != image.layers[i]->diff_id) {
      throw invalid(cat("invalid diffID for layer ", i, ": expected ", quoted(expected[i]), ", got ",
                        quoted(image.layers[i]->diff_id)));
    }
  }
}

std::vector<IncomingImage> find_docker_images(ArchiveContent& content, const std::string& manifest_text) {
  std::vector<IncomingImage> images;
  for (const DockerManifest& manifest : json::from_json<std::vector<DockerManifest>>(manifest_text)) {
    IncomingImage image;
    const std::string* config = content.find_document(manifest.config);
    if (config == nullptr) throw no_such_file(manifest.config);
    image.config_text = *config;
    image.config = parse_config(*config);
    image.id = archive::sha256(*config);
    check_named_digest(manifest.config, image.id);
    image.parent_id = manifest.parent;
    for (const std::string& path : manifest.layers) {
      ArchivedLayer* layer = content.find_layer(path);
      if (layer == nullptr) throw no_such_file(path);
      image.layers.push_back(layer);
    }
    check_layers(image);
    for (const std::string& name : manifest.repo_tags) {
      const oci::Reference reference = oci::parse_reference(name);
      if (reference.tag.empty()) throw invalid(cat("invalid tag ", quoted(name)));
      image.tags.push_back(reference);
    }
    images.push_back(std::move(image));
  }
  return images;
}

class OciLayout {
 public:
  explicit OciLayout(ArchiveContent& content) : content_(content) {}

  std::vector<IncomingImage> run(const std::string& index_text) {
    for (const oci::Descriptor& descriptor : chosen(json::from_json<oci::Index>(index_text))) add(descriptor, {}, 0);
    if (images_.empty()) throw invalid("the archive has no image for this platform");
    return std::move(images_);
  }

 private:
  /// Without those for other platforms, unless there is nothing else; attestations ("unknown") are no images.
  static std::vector<oci::Descriptor> chosen(const oci::Index& index) {
    std::vector<oci::Descriptor> fitting, others;
    for (const oci::Descriptor& descriptor : index.manifests) {
      if (!descriptor.platform ||
          (descriptor.platform->os == "linux" && descriptor.platform->architecture == host_architecture())) {
        fitting.push_back(descriptor);
      } else if (descriptor.platform->os != "unknown") {
        others.push_back(descriptor);
      }
    }
    return fitting.empty() ? others : fitting;
  }

  const std::string& blob(const std::string& digest) {
    const std::string path = cat("blobs/sha256/", oci::digest_hex(digest));
    const std::string* text = content_.find_document(path);
    if (text == nullptr) throw no_such_file(path);
    const std::string actual = archive::sha256(*text);
    if (actual != digest)
      throw invalid(cat("invalid content: expected digest ", quoted(digest), ", got ", quoted(actual)));
    return *text;
  }

  void add(const oci::Descriptor& descriptor, std::vector<oci::Reference> tags, int depth) {
    if (depth > kMaxIndexDepth) throw invalid("the archive's indexes are nested too deeply");
    for (const char* key : {"io.containerd.image.name", "org.opencontainers.image.ref.name"}) {
      const auto annotation = descriptor.annotations.find(key);
      if (annotation == descriptor.annotations.end() || !tags.empty()) continue;
      // Some writers put a bare tag there, which names nothing.
      if (annotation->second.find_first_of("/:") == std::string::npos) continue;
      if (const auto reference = oci::try_parse_reference(annotation->second)) {
        tags.push_back(reference->with_default_tag());
      }
    }
    const std::string& text = blob(descriptor.digest);
    if (descriptor.media_type == oci::kMediaIndex || descriptor.media_type == oci::kMediaDockerList) {
      std::vector<oci::Descriptor> inner = chosen(json::from_json<oci::Index>(text));
      if (!inner.empty()) add(inner.front(), tags, depth + 1);
      return;
    }
    add_manifest(text, std::move(tags));
  }

  void add_manifest(const std::string& text, std::vector<oci::Reference> tags) {
    const auto manifest = json::from_json<oci::Manifest>(text);
    IncomingImage image;
    image.manifest_text = text;
    image.config_text = blob(manifest.config.digest);
    image.config = parse_config(image.config_text);
    image.id = manifest.config.digest;
    image.tags = std::move(tags);
    for (const oci::Descriptor& layer : manifest.layers) {
      const std::string path = cat("blobs/sha256/", oci::digest_hex(layer.digest));
      ArchivedLayer* found = content_.find_layer(path);
      if (found == nullptr) throw no_such_file(path);
      image.layers.push_back(found);
    }
    check_layers(image);
    images_.push_back(std::move(image));
  }

  ArchiveContent& content_;
  std::vector<IncomingImage> images_;
};

}  // namespace

oci::Image parse_config(const std::string& text) {
  const boost::json::value document = json::parse(text);
  if (!document.is_object() || !document.get_object().contains("rootfs")) {
    throw invalid("invalid image JSON, no RootFS key");
  }
  auto config = json::from_value<oci::Image>(document);
  for (const std::string& diff_id : config.rootfs.diff_ids) oci::digest_hex(diff_id);  // throws for what is no digest
  return config;
}

std::vector<IncomingImage> find_images(ArchiveContent& content) {
  if (const std::string* manifest = content.find_document("manifest.json")) {
    return find_docker_images(content, *manifest);
  }
  if (const std::string* index = content.find_document("index.json")) return OciLayout{content}.run(*index);
  throw invalid("invalid archive: does not contain a manifest.json");
}

}  // namespace berth::image
