// What an image says of itself, from a registry or in an archive: manifests, indexes, configs, manifest.json,
// index.json, alone and leading to each other. The first byte chooses one, so that each has its own seeds.
//
// Documents that lead to each other stand behind lines "=== NAME", each read with $1, $2, … replaced by the digests of
// those before it, since nobody guesses a digest.

#include <map>
#include <set>

#include "archive/digest.h"
#include "base/core/text.h"
#include "fuzz/fuzz.h"
#include "image/documents.h"
#include "image/incoming.h"
#include "image/platform.h"
#include "image/resolve.h"
#include "oci/digest.h"

namespace berth {
namespace {

using namespace image;

void check_descriptor(const oci::Descriptor& descriptor) {
  fuzz::require(oci::is_digest(descriptor.digest), "a digest is one");
  fuzz::require(descriptor.size >= 0 && descriptor.size <= (std::int64_t{1} << 53), "a size is one of a file");
}

/// What was understood of a document is understood again of what is written of it.
template <class T>
void check_again(const T& document, T parse(std::string_view)) {
  const std::string text = json::to_json(document);
  fuzz::require(json::to_json(parse(text)) == text, "what is written is what was read");
}

void manifest(fuzz::Input& input) {
  const oci::Manifest manifest = parse_manifest(input.rest());
  fuzz::require(manifest.layers.size() <= kMaxListEntries, "layers have an end");
  check_descriptor(manifest.config);
  for (const oci::Descriptor& layer : manifest.layers) check_descriptor(layer);
  check_again(manifest, parse_manifest);
  fuzz::require(!fuzz::accepted([&] { parse_index(input.rest()); }) || manifest.layers.empty() ||
                    parse_index(input.rest()).manifests.empty(),
                "nothing is an image and an index");
}

/// A platform, and an index.
void index(fuzz::Input& input) {
  const oci::Platform wanted = parse_platform(std::string{input.line()});
  fuzz::require(platform_text(parse_platform(platform_text(wanted))) == platform_text(wanted),
                "a platform is shown as it is");
  const oci::Index index = parse_index(input.rest());
  fuzz::require(index.manifests.size() <= kMaxListEntries, "an index has an end");
  for (const oci::Descriptor& manifest : index.manifests) check_descriptor(manifest);
  check_again(index, parse_index);
  const oci::Descriptor* chosen = choose_platform(index.manifests, wanted);
  for (const oci::Descriptor& manifest : index.manifests) {
    const bool exact = manifest.platform && platform_text(*manifest.platform) == platform_text(wanted);
    fuzz::require(!exact || chosen != nullptr, "what fits is found");
  }
  if (chosen == nullptr) return;
  fuzz::require(chosen >= index.manifests.data() && chosen < index.manifests.data() + index.manifests.size(),
                "what is chosen stands in the index");
  fuzz::require(choose_platform({*chosen}, wanted) != nullptr, "what is chosen fits alone, too");
}

void config(fuzz::Input& input) {
  const oci::Image config = parse_config(input.rest());
  check_again(config, parse_config);
  std::vector<std::string> diff_ids = config.rootfs.diff_ids;
  const std::vector<std::string> chains = chain_ids_of(diff_ids);
  fuzz::require(chains.size() == diff_ids.size(), "each layer has a chain ID");
  if (diff_ids.empty()) return;
  fuzz::require(chains.front() == diff_ids.front(), "the lowest layer is its own chain");
  diff_ids.pop_back();
  const std::vector<std::string> below = chain_ids_of(diff_ids);
  fuzz::require(std::equal(below.begin(), below.end(), chains.begin()),
                "a chain ID says all that is below, and no more");
  for (const std::string& chain : chains) fuzz::require(oci::is_digest(chain), "a chain ID is a digest");
}

struct Named {
  std::string name, text, digest;
};

/// The documents, each with the digests of those before it in place of $1…$9.
std::vector<Named> linked(fuzz::Input& input) {
  constexpr std::string_view kMark = "=== ";
  std::vector<Named> documents;
  while (!input.rest().empty() && documents.size() < 40) {
    const std::string_view line = input.line();
    if (line.starts_with(kMark)) {
      documents.push_back({.name = std::string{line.substr(kMark.size())}, .text = {}, .digest = {}});
    } else if (!documents.empty()) {
      documents.back().text += line;
    }
  }
  for (std::size_t n = 0; n < documents.size(); ++n) {
    std::string& text = documents[n].text;
    for (std::size_t at = 0; (at = text.find('$', at)) != std::string::npos && text.size() < (1 << 20); ++at) {
      const std::size_t number = at + 1 < text.size() ? static_cast<std::size_t>(text[at + 1] - '1') : n;
      if (number < n) text.replace(at, 2, documents[number].digest);
    }
    documents[n].digest = archive::sha256(text);
  }
  return documents;
}

/// An archive: documents named "" are blobs, "layer" are layers, "PATH>TARGET" links.
void loaded(fuzz::Input& input) {
  const std::string platform{input.line()};
  ArchiveContent content;
  for (const Named& document : linked(input)) {
    const std::string path = cat("blobs/sha256/", oci::digest_hex(document.digest));
    const std::size_t link = document.name.find('>');
    if (link != std::string::npos) {
      content.links[document.name.substr(0, link)] = document.name.substr(link + 1);
    } else if (document.name == "layer") {
      content.layers[path].diff_id = document.digest;
      content.layers[path].blob_digest = document.digest;
    } else {
      content.documents[document.name.empty() ? path : document.name] = document.text;
    }
  }
  const std::vector<std::string> platforms = platform.empty() ? std::vector<std::string>{} : std::vector{platform};
  const std::vector<IncomingImage> images = find_images(content, platforms);
  fuzz::require(!images.empty(), "an archive has an image, or is refused");
  std::size_t bytes = 0;
  for (const IncomingImage& image : images) {
    fuzz::require(image.id == archive::sha256(image.config_text), "an image's ID is its config's digest");
    fuzz::require(image.layers.size() == image.config.rootfs.diff_ids.size(), "there are as many layers as it says");
    for (std::size_t i = 0; i < image.layers.size(); ++i) {
      fuzz::require(image.layers[i] != nullptr && image.layers[i]->diff_id == image.config.rootfs.diff_ids[i],
                    "each layer is the one it says");
    }
    if (!image.manifest_text.empty()) {
      fuzz::require(parse_manifest(image.manifest_text).config.digest == image.id, "a manifest is its image's");
    }
    const std::set<std::string> indexes{image.index_texts.begin(), image.index_texts.end()};
    fuzz::require(indexes.size() == image.index_texts.size(), "an index is kept once");
    for (const oci::Reference& tag : image.tags) {
      fuzz::require(!tag.tag.empty() || !tag.digest.empty(), "a name has a version");
      fuzz::require(oci::parse_reference(tag.full()) == tag, "a name is one");
    }
    bytes += image.config_text.size() + image.manifest_text.size();
  }
  fuzz::require(bytes <= (128 << 20), "documents are bounded together");
}

class Registry final : public Remote {
 public:
  explicit Registry(std::vector<Named> documents) {
    for (Named& document : documents) {
      const std::size_t space = document.name.find(' ');
      RemoteManifest manifest{.media_type = space == std::string::npos ? "" : document.name.substr(space + 1),
                              .text = std::move(document.text),
                              .digest = {}};
      documents_[document.name.substr(0, space)] = manifest;
      documents_[document.digest] = std::move(manifest);
    }
  }
  int asked = 0;

  RemoteManifest get_manifest(const std::string& name) override {
    ++asked;
    const auto at = documents_.find(name);
    if (at == documents_.end()) throw not_found("manifest unknown");
    return at->second;
  }
  std::unique_ptr<ByteSource> open_blob(const oci::Descriptor&) override { return nullptr; }
  bool distrust_blob(const std::string&) override { return false; }
  bool has_manifest(const std::string&) override { return false; }
  Remote& source(const oci::Reference&) override { return *this; }
  bool has_blob(const std::string&) override { return false; }
  bool mount_blob(const std::string&, const std::string&) override { return false; }
  std::unique_ptr<Upload> begin_blob() override { return nullptr; }
  void put_manifest(const std::string&, const std::string&, const std::string&) override {}
  void interrupt() override {}

 private:
  std::map<std::string, RemoteManifest> documents_;
};

/// A registry: documents are named "TAG TYPE".
void pulled(fuzz::Input& input) {
  const oci::Platform platform = parse_platform(std::string{input.line()});
  Registry registry{linked(input)};
  ResolvedManifest found;
  const oci::Reference wanted{.domain = "here", .path = "image", .tag = "latest", .digest = {}};
  const bool accepted = fuzz::accepted([&] { found = resolve_manifest(registry, wanted, platform); });
  fuzz::require(registry.asked <= 80, "a registry is not asked for ever");
  if (!accepted) return;
  const std::string& top = found.index_texts.empty() ? found.manifest_text : found.index_texts.front();
  fuzz::require(archive::sha256(top) == found.digest, "a name's digest is that of what it stands for");
  const std::set<std::string> indexes{found.index_texts.begin(), found.index_texts.end()};
  fuzz::require(indexes.size() == found.index_texts.size() && indexes.size() <= 32, "an index is kept once");
  for (const std::string& text : found.index_texts) parse_index(text);
  fuzz::require(parse_manifest(found.manifest_text).config.digest == found.manifest.config.digest,
                "the manifest is what was read of it");
  bool named = found.index_texts.empty();
  for (const std::string& text : found.index_texts) {
    named = named || text.find(archive::sha256(found.manifest_text)) != std::string::npos;
  }
  fuzz::require(named, "some index names the manifest");
}

}  // namespace
}  // namespace berth

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace berth;
  fuzz::Input input{data, size};
  const auto parse = [&] {
    switch (input.byte()) {
      case 'm': return manifest(input);
      case 'i': return index(input);
      case 'c': return config(input);
      case 'l': return loaded(input);
      case 'p': return pulled(input);
      default: return;
    }
  };
  fuzz::accepted(parse);
  return 0;
}
