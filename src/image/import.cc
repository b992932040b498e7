#include "base/core/error.h"
#include "base/core/text.h"
#include "image/platform.h"
#include "image/progress.h"
#include "image/store.h"

#include "archive/digest.h"

namespace berth::image {

namespace {

/// "os[/architecture[/variant]]"; "" is this machine.
void set_platform(oci::Image& image, const std::string& platform) {
  image.os = "linux";
  image.architecture = host_architecture();
  if (platform.empty()) return;
  const std::vector<std::string> parts = split(platform, '/');
  if (parts.size() > 3 || parts[0].empty()) throw invalid(cat("invalid platform ", quoted(platform)));
  if (to_lower(parts[0]) != "linux") throw invalid(cat("operating system ", quoted(parts[0]), " is not supported"));
  if (parts.size() > 1) image.architecture = to_lower(parts[1]);
  if (parts.size() > 2) image.variant = to_lower(parts[2]);
}

}  // namespace

std::string Store::import(ByteSource& tar, ByteSink& sink, const std::string& name, const std::string& message,
                          const oci::ContainerConfig& config, const std::string& platform) {
  IncomingImage image;
  if (!name.empty()) {
    const oci::Reference reference = oci::parse_reference(name);
    if (!reference.digest.empty()) throw invalid("cannot import digest reference");
    image.tags.push_back(reference.with_default_tag());
  }
  set_platform(image.config, platform);

  Progress progress{sink, false};
  std::string id;
  try {
    Pins::Set pins{pins_};
    ArchivedLayer layer;
    layer.made = make_layer(driver_, tar, nullptr);
    layer.diff_id = layer.made->diff_id;
    layer.size = layer.made->size;
    layer.tar_size = layer.made->tar_size;
    image.config.config = config;
    image.config.created = format_time(now());
    image.config.docker_version = BERTH_VERSION;
    image.config.comment = message.empty() ? "Imported from -" : message;
    image.config.history = {{.created = image.config.created, .comment = image.config.comment}};
    image.config.rootfs.diff_ids = {layer.diff_id};
    image.config_text = json::to_json(image.config);
    id = image.id = archive::sha256(image.config_text);
    image.layers = {&layer};
    std::vector<IncomingImage> images;
    images.push_back(image);
    commit(images, pins, nullptr);
  } catch (const Error&) {
    collect_layers();
    throw;
  }
  progress.status(id);
  if (!image.tags.empty()) report("tag", id, image.tags.front().familiar());
  report("import", id, id);
  return id;
}

}  // namespace berth::image
