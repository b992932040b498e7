#include <algorithm>

#include "archive/digest.h"
#include "base/core/text.h"
#include "cli/commands/commands.h"
#include "cli/manifest/remote.h"
#include "cli/manifest/store.h"
#include "cli/options/mounts.h"
#include "cli/text/rows.h"
#include "oci/image.h"

namespace berth::cli {

namespace {

constexpr const char* kInsecureHelp = "Allow a registry without TLS, or with a certificate that nobody vouches for";

ManifestStore store_of(const Cli& cli) { return ManifestStore{cat(config_folder(cli.options()), "/manifests")}; }

Insecure insecure_of(bool flag) { return flag ? Insecure::allowed : Insecure::no; }

// ---- inspect

struct InspectOptions {
  bool insecure = false, verbose = false;
};

void print_image(const ImageManifest& image, const InspectOptions& options) {
  Cli::out_line(indent_json(options.verbose ? image.stored() : image.document, "\t"));
}

void print_list(const oci::Reference& reference, const std::vector<ImageManifest>& images,
                const InspectOptions& options) {
  if (!options.verbose) {
    try {
      Cli::out_line(list_of(reference, images).text);
    } catch (Error& error) {
      error.during("failed to assemble ManifestDescriptor");
      throw;
    }
    return;
  }
  std::vector<std::string> stored;
  for (const ImageManifest& image : images) stored.push_back(image.stored());
  Cli::out_line(indent_json(cat("[", join(stored, ","), "]"), "\t"));
}

int inspect(Cli& cli, const InspectOptions& options, const Arguments& arguments) {
  const ManifestStore store = store_of(cli);
  const oci::Reference reference = manifest_reference(arguments.back());
  if (arguments.size() == 2) {
    const std::optional<ImageManifest> image = store.find(manifest_reference(arguments[0]), reference);
    if (!image) throw no_such_manifest(reference);
    print_image(*image, options);
  } else if (store.has_list(reference)) {
    print_list(reference, store.get_list(reference), options);
  } else {
    Remote remote{cli.options(), insecure_of(options.insecure), registry::Access::pull};
    const ManifestText text = remote.get(reference);
    if (text.is_list())
      print_list(reference, remote.images_of(reference, text), options);
    else
      print_image(remote.image_of(reference, text), options);
  }
  return 0;
}

Action prepare_inspect(FlagSet& flags) {
  auto options = std::make_shared<InspectOptions>();
  flags.boolean(options->insecure, "insecure", 0, kInsecureHelp);
  flags.boolean(options->verbose, "verbose", 'v', "Show layers and platforms, too");
  return [options](Cli& cli, const Arguments& arguments) { return inspect(cli, *options, arguments); };
}

// ---- create

struct CreateOptions {
  bool amend = false, insecure = false;
};

oci::Reference parse_named(const std::string& name, std::string_view doing) {
  try {
    return manifest_reference(name);
  } catch (Error& error) {
    error.during(cat(doing, " ", name));
    throw;
  }
}

int create(Cli& cli, const CreateOptions& options, const Arguments& arguments) {
  const ManifestStore store = store_of(cli);
  const oci::Reference list = parse_named(arguments[0], "error parsing name for manifest list");
  if (store.has_list(list) && !options.amend) {
    throw conflict("refusing to amend an existing manifest list with no --amend flag");
  }
  Remote remote{cli.options(), insecure_of(options.insecure), registry::Access::pull};
  // All are known before one is kept: a list that could not be made whole is not made.
  std::vector<std::pair<oci::Reference, ImageManifest>> images;
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    const oci::Reference reference = manifest_reference(arguments[i]);
    std::optional<ImageManifest> known = store.find(list, reference);
    if (!known || known->raw.empty()) known = remote.image_of(reference, remote.get(reference));
    images.emplace_back(reference, std::move(*known));
  }
  for (const auto& [reference, image] : images) store.save(list, reference, image);
  Cli::out_line(cat("Created manifest list ", list.full()));
  return 0;
}

Action prepare_create(FlagSet& flags) {
  auto options = std::make_shared<CreateOptions>();
  flags.boolean(options->amend, "amend", 'a', "Add to a list that is there already");
  flags.boolean(options->insecure, "insecure", 0, kInsecureHelp);
  return [options](Cli& cli, const Arguments& arguments) { return create(cli, *options, arguments); };
}

// ---- annotate

void set_unless_empty(std::string& target, const std::string& value) {
  if (!value.empty()) target = value;
}

int annotate(Cli& cli, const ManifestPlatform& wanted, const Arguments& arguments) {
  const ManifestStore store = store_of(cli);
  const oci::Reference list = parse_named(arguments[0], "annotate: error parsing name for manifest list");
  const oci::Reference reference = parse_named(arguments[1], "annotate: error parsing name for manifest");
  std::optional<ImageManifest> image = store.find(list, reference);
  if (!image) {
    throw not_found(cat("manifest for image ", arguments[1], " does not exist in ", arguments[0]));
  }
  ManifestPlatform platform = image->platform.value_or(ManifestPlatform{});
  set_unless_empty(platform.os, wanted.os);
  set_unless_empty(platform.architecture, wanted.architecture);
  set_unless_empty(platform.variant, wanted.variant);
  set_unless_empty(platform.os_version, wanted.os_version);
  for (const std::string& feature : wanted.os_features) {
    if (std::ranges::find(platform.os_features, feature) == platform.os_features.end()) {
      platform.os_features.push_back(feature);
    }
  }
  if (!is_known_platform(platform.os, platform.architecture)) {
    throw invalid(
        cat("manifest entry for image has unsupported os/arch combination: ", wanted.os, "/", wanted.architecture));
  }
  image->platform = std::move(platform);
  store.save(list, reference, *image);
  return 0;
}

Action prepare_annotate(FlagSet& flags) {
  auto wanted = std::make_shared<ManifestPlatform>();
  flags.text(wanted->architecture, "arch", 0, "Set the architecture");
  flags.text(wanted->os, "os", 0, "Set the operating system");
  flags.custom("os-features", 0, "strings", "Add features of the operating system", [wanted](const std::string& value) {
    for (std::string& feature : split_csv(value)) wanted->os_features.push_back(std::move(feature));
  });
  flags.text(wanted->os_version, "os-version", 0, "Set the operating system's version");
  flags.text(wanted->variant, "variant", 0, "Set the architecture's variant");
  return [wanted](Cli& cli, const Arguments& arguments) { return annotate(cli, *wanted, arguments); };
}

// ---- push

struct PushOptions {
  bool insecure = false, purge = false;
};

/// The registry's own bytes. A file of an older client has lost their spaces, which were most often these.
std::string bytes_of(const ImageManifest& image) {
  std::string text = image.raw;
  if (text.empty()) text = indent_json(image.document, image.media_type == oci::kMediaManifest ? "  " : "   ");
  if (const std::string digest = archive::sha256(text); digest != image.digest) {
    throw invalid(
        cat("internal digest mismatch for ", image.ref.full(), ": expected ", image.digest, ", got ", digest));
  }
  return text;
}

/// What is in another repository goes into the list's: blobs without their bytes, then the manifests.
void bring_together(Remote& remote, const oci::Reference& list, const std::vector<ImageManifest>& images) {
  std::vector<std::pair<oci::Reference, ManifestText>> manifests;
  for (const ImageManifest& image : images) {
    if (image.ref.path == list.path) continue;
    oci::Reference target = list;
    target.tag.clear();
    target.digest = image.digest;
    manifests.emplace_back(target, ManifestText{.media_type = image.media_type, .text = bytes_of(image)});
  }
  for (const ImageManifest& image : images) {
    if (image.ref.path == list.path) continue;
    const bool may_be_foreign = image.platform && image.platform->os == "windows";
    for (const std::string& digest : image.blobs()) {
      oci::Reference blob = image.ref;
      blob.digest = digest;
      if (!remote.mount(blob, list) && !may_be_foreign) {
        throw system_error(cat("error mounting ", blob.path, "@", digest, " to ", list.full()));
      }
    }
  }
  for (const auto& [target, text] : manifests) {
    const std::string digest = remote.put(target, text);
    Cli::out_line(cat("Pushed ref ", target.full(), " with digest: ", digest));
  }
}

int push(Cli& cli, const PushOptions& options, const Arguments& arguments) {
  const ManifestStore store = store_of(cli);
  const oci::Reference list = manifest_reference(arguments[0]);
  const std::vector<ImageManifest> images = store.get_list(list);
  if (images.empty()) throw not_found(cat(list.full(), " not found"));
  for (const ImageManifest& image : images) {
    if (!image.platform || image.platform->architecture.empty() || image.platform->os.empty()) {
      throw invalid(cat("manifest ", image.ref.full(), " must have an OS and Architecture to be pushed to a registry"));
    }
  }
  const ManifestText text = list_of(list, images);
  Remote remote{cli.options(), insecure_of(options.insecure), registry::Access::push};
  bring_together(remote, list, images);
  Cli::out_line(remote.put(list, text));
  if (options.purge) store.remove(list);
  return 0;
}

Action prepare_push(FlagSet& flags) {
  auto options = std::make_shared<PushOptions>();
  flags.boolean(options->insecure, "insecure", 0, kInsecureHelp);
  flags.boolean(options->purge, "purge", 'p', "Forget the list here once it is pushed");
  return [options](Cli& cli, const Arguments& arguments) { return push(cli, *options, arguments); };
}

// ---- rm

Action prepare_remove(FlagSet&) {
  return [](Cli& cli, const Arguments& lists) {
    const ManifestStore store = store_of(cli);
    return for_each_argument(cli, lists, [&](const std::string& name) { store.remove(manifest_reference(name)); });
  };
}

constexpr auto kParse = AfterPositional::keep_parsing;
constexpr Command kCommands[] = {
    {"manifest annotate", "[OPTIONS] MANIFEST_LIST MANIFEST", "Say what an image of a list is for", 2, 2, kParse,
     prepare_annotate},
    {"manifest create", "MANIFEST_LIST MANIFEST [MANIFEST...]", "Put a list together, to be annotated and pushed", 2,
     kNoLimit, kParse, prepare_create},
    {"manifest inspect", "[OPTIONS] [MANIFEST_LIST] MANIFEST", "Show a manifest or a list of them", 1, 2, kParse,
     prepare_inspect},
    {"manifest push", "[OPTIONS] MANIFEST_LIST", "Push a list to its registry", 1, 1, kParse, prepare_push},
    {"manifest rm", "MANIFEST_LIST [MANIFEST_LIST...]", "Forget lists that were put together here", 1, kNoLimit, kParse,
     prepare_remove},
};

}  // namespace

std::span<const Command> manifest_commands() { return kCommands; }

}  // namespace berth::cli
