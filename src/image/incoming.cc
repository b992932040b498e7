#include "image/incoming.h"

#include <algorithm>
#include <set>

#include "archive/digest.h"
#include "base/core/error.h"
#include "base/core/text.h"
#include "image/documents.h"
#include "image/platform.h"
#include "oci/digest.h"

namespace berth::image {

namespace {

constexpr std::size_t kMaxVariants = 1000, kMaxParsedBytes = 64 << 20;

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

/// What is made of an archive's documents. Many names may lead to one document, and each gets a copy.
class Allowance {
 public:
  void take(const std::string& text) {
    if ((taken_ += parsed_bytes(text)) > kMaxParsedBytes) throw invalid("the archive's images are too large together");
  }

 private:
  std::size_t taken_ = 0;
};

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
  Allowance allowance;
  const boost::json::value document = parse_document(manifest_text);
  if (document.is_array() && document.get_array().size() > kMaxListEntries) {
    throw invalid(cat("a document has a list of more than ", kMaxListEntries, " entries"));
  }
  for (const DockerManifest& manifest : json::from_value<std::vector<DockerManifest>>(document)) {
    IncomingImage image;
    const std::string* config = content.find_document(manifest.config);
    if (config == nullptr) throw no_such_file(manifest.config);
    allowance.take(*config);
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

/// Attestations and the like are for no platform.
bool is_for_some_platform(const oci::Descriptor& descriptor) {
  return !descriptor.platform || descriptor.platform->os != "unknown";
}

oci::Descriptor described(const IncomingImage& image) {
  oci::Descriptor descriptor;
  descriptor.platform = oci::Platform{.architecture = image.config.architecture,
                                      .os = image.config.os,
                                      .os_version = image.config.os_version,
                                      .variant = image.config.variant};
  return descriptor;
}

/// Those among `images` that are for one of the platforms; all when none is said.
std::vector<IncomingImage> fitting(std::vector<IncomingImage> images, const std::vector<std::string>& platforms) {
  if (platforms.empty()) return images;
  std::vector<oci::Descriptor> descriptors;
  for (const IncomingImage& image : images) descriptors.push_back(described(image));
  std::vector<IncomingImage> chosen;
  for (const std::string& platform : platforms) {
    const oci::Descriptor* best = choose_platform(descriptors, parse_platform(platform));
    if (best == nullptr) continue;
    IncomingImage& image = images[static_cast<std::size_t>(best - descriptors.data())];
    const bool known = std::ranges::any_of(chosen, [&](const IncomingImage& one) { return one.id == image.id; });
    if (!known) chosen.push_back(image);
  }
  return chosen;
}

class OciLayout {
 public:
  OciLayout(ArchiveContent& content, const std::vector<std::string>& platforms)
      : content_(content), platforms_(platforms) {}

  std::vector<IncomingImage> run(const std::string& index_text) {
    const oci::Index index = parse_index(index_text);
    for (const oci::Descriptor& descriptor : index.manifests) {
      if (!is_for_some_platform(descriptor)) continue;
      const std::vector<oci::Reference> tags = names_of(descriptor);
      std::vector<IncomingImage> variants;
      seen_.clear();
      index_texts_.clear();
      gather(descriptor, 0, variants);
      variants = fitting(std::move(variants), platforms_);
      if (variants.empty()) continue;
      IncomingImage& main = variants[usual_one(variants)];
      main.tags = tags;
      main.index_texts = std::move(index_texts_);
      std::ranges::move(variants, std::back_inserter(images_));
    }
    return std::move(images_);
  }

 private:
  static std::size_t usual_one(const std::vector<IncomingImage>& variants) {
    std::vector<oci::Descriptor> descriptors;
    for (const IncomingImage& image : variants) descriptors.push_back(described(image));
    const oci::Descriptor* best = choose_platform(descriptors, host_platform());
    return best == nullptr ? 0 : static_cast<std::size_t>(best - descriptors.data());
  }

  static std::vector<oci::Reference> names_of(const oci::Descriptor& descriptor) {
    for (const char* key : {"io.containerd.image.name", "org.opencontainers.image.ref.name"}) {
      const auto annotation = descriptor.annotations.find(key);
      if (annotation == descriptor.annotations.end()) continue;
      // Some writers put a bare tag there, which names nothing.
      if (annotation->second.find_first_of("/:") == std::string::npos) continue;
      if (const auto reference = oci::try_parse_reference(annotation->second)) return {reference->with_default_tag()};
    }
    return {};
  }

  const std::string& blob(const oci::Descriptor& descriptor) {
    const std::string path = cat("blobs/sha256/", oci::digest_hex(descriptor.digest));
    const std::string* text = content_.find_document(path);
    if (text == nullptr) throw no_such_file(path);
    allowance_.take(*text);
    check_document(descriptor, *text);
    return *text;
  }

  /// What an index leads to; whoever wrote the archive may have left variants out.
  void gather(const oci::Descriptor& descriptor, int depth, std::vector<IncomingImage>& images) {
    if (depth > kMaxIndexDepth) throw invalid("the archive's indexes are nested too deeply");
    if (!seen_.insert(descriptor.digest).second) return;
    const std::string& text = blob(descriptor);
    if (!is_index(type_of(text, descriptor.media_type))) {
      images.push_back(read_manifest(text));
      return;
    }
    index_texts_.push_back(text);
    const oci::Index index = parse_index(text);
    for (const oci::Descriptor& inner : index.manifests) {
      if (is_for_some_platform(inner) && has_blob(inner.digest)) gather(inner, depth + 1, images);
      if (images.size() > kMaxVariants) throw invalid("the archive's index has too many manifests");
    }
  }

  bool has_blob(const std::string& digest) const {
    return content_.find_document(cat("blobs/sha256/", oci::digest_hex(digest))) != nullptr;
  }

  IncomingImage read_manifest(const std::string& text) {
    const oci::Manifest manifest = parse_manifest(text);
    IncomingImage image;
    image.manifest_text = text;
    image.config_text = blob(manifest.config);
    image.config = parse_config(image.config_text);
    image.id = manifest.config.digest;
    for (const oci::Descriptor& layer : manifest.layers) {
      const std::string path = cat("blobs/sha256/", oci::digest_hex(layer.digest));
      ArchivedLayer* found = content_.find_layer(path);
      if (found == nullptr) throw no_such_file(path);
      image.layers.push_back(found);
    }
    check_layers(image);
    return image;
  }

  ArchiveContent& content_;
  const std::vector<std::string>& platforms_;
  std::vector<IncomingImage> images_;
  Allowance allowance_;
  std::set<std::string> seen_;            ///< digests that the name at hand has led to
  std::vector<std::string> index_texts_;  ///< those of them that are indexes
};

/// Docker's two forms side by side: where the second knows of several platforms, the first knows but one of them.
bool is_multi_platform(const std::string* index_text) {
  if (index_text == nullptr) return false;
  const std::vector<oci::Descriptor> manifests = parse_index(*index_text).manifests;
  const auto is_named = [](const oci::Descriptor& one) { return one.annotations.contains("io.containerd.image.name"); };
  const auto is_multi = [](const oci::Descriptor& one) { return is_index(one.media_type); };
  return std::ranges::any_of(manifests, is_multi) && std::ranges::all_of(manifests, is_named);
}

/// Docker's two forms side by side: the second has the manifests of the first's images, with the digests that those
/// have elsewhere. What is not all here, or not right, is as if it were not there.
void add_manifests(const ArchiveContent& content, const oci::Index& index, std::vector<IncomingImage>& images) {
  const auto is_of = [](const oci::Manifest& manifest, const IncomingImage& image) {
    return image.manifest_text.empty() && manifest.config.digest == image.id &&
           std::ranges::equal(manifest.layers, image.layers, {}, &oci::Descriptor::digest,
                              [](const ArchivedLayer* layer) { return layer->blob_digest; });
  };
  Allowance allowance;
  for (const oci::Descriptor& descriptor : index.manifests) {
    try {
      const std::string* text = content.find_document(cat("blobs/sha256/", oci::digest_hex(descriptor.digest)));
      if (text == nullptr || is_index(type_of(*text, descriptor.media_type))) continue;
      allowance.take(*text);
      check_document(descriptor, *text);
      const oci::Manifest manifest = parse_manifest(*text);
      for (IncomingImage& image : images) {
        if (is_of(manifest, image)) image.manifest_text = *text;
      }
    } catch (const Error&) {
      continue;
    }
  }
}

std::vector<IncomingImage> find_all(ArchiveContent& content, const std::vector<std::string>& platforms) {
  const std::string *manifest = content.find_document("manifest.json"), *index = content.find_document("index.json");
  if (manifest != nullptr && !is_multi_platform(index)) {
    std::vector<IncomingImage> images;
    for (IncomingImage& image : find_docker_images(content, *manifest)) {
      std::ranges::move(fitting({std::move(image)}, platforms), std::back_inserter(images));
    }
    if (index != nullptr) add_manifests(content, parse_index(*index), images);
    return images;
  }
  if (index != nullptr) return OciLayout{content, platforms}.run(*index);
  throw invalid("invalid archive: does not contain a manifest.json");
}

}  // namespace

std::vector<IncomingImage> find_images(ArchiveContent& content, const std::vector<std::string>& platforms) {
  std::vector<IncomingImage> images = find_all(content, platforms);
  if (!images.empty()) return images;
  if (platforms.empty()) throw invalid("the archive has no image");
  throw not_found(cat("requested platform (", join(platforms, ", "), ") not found"));
}

}  // namespace berth::image
