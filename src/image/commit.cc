// POST /commit
#include "archive/digest.h"
#include "base/core/error.h"
#include "base/core/text.h"
#include "image/store.h"

namespace berth::image {

namespace {

/// Two blocks of zeros: the tar of a container that has changed nothing.
constexpr std::string_view kEmptyTar = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";

}  // namespace

/// The layers that an image has already, as a commit wants them.
std::vector<ArchivedLayer> Store::layers_of(const ImageRecord& image, Pins::Set& pins) const {
  std::vector<ArchivedLayer> layers;
  for (const std::string& chain : image.chain_ids) {
    const std::optional<LayerRecord> record = catalog_.find_layer(chain);
    if (!record || !pins.add_existing(chain)) throw graph::missing_layer(chain);
    ArchivedLayer layer;
    layer.diff_id = record->diff_id;
    layer.size = record->size;
    layer.tar_size = record->tar_size;
    layer.source_chain = chain;
    layers.push_back(std::move(layer));
  }
  return layers;
}

std::string Store::commit(ByteSource& diff, const CommitRequest& request) {
  std::string id;
  try {
    Pins::Set pins{pins_};
    const ImagePtr parent = get_record(request.parent_id);
    std::vector<ArchivedLayer> layers = layers_of(*parent, pins);
    IncomingImage image;
    image.config = read_config(parent->id);
    ArchivedLayer layer;
    layer.made = make_layer(driver_, diff, nullptr);
    layer.diff_id = layer.made->diff_id;
    layer.size = layer.made->size;
    layer.tar_size = layer.made->tar_size;
    const bool empty = layer.diff_id == kEmptyTar;
    if (!empty) layers.push_back(std::move(layer));

    image.config.config = request.config;
    image.config.created = format_time(now());
    image.config.author = request.author;
    image.config.comment.clear();  // the history has it
    image.config.docker_version = BERTH_VERSION;
    image.config.parent.clear();
    image.config.history.push_back({.created = image.config.created,
                                    .created_by = request.created_by,
                                    .author = request.author,
                                    .comment = request.comment,
                                    .empty_layer = empty});
    image.config.rootfs.diff_ids.clear();
    for (ArchivedLayer& each : layers) {
      image.config.rootfs.diff_ids.push_back(each.diff_id);
      image.layers.push_back(&each);
    }
    if (request.reference) image.tags.push_back(*request.reference);
    image.parent_id = parent->id;
    image.config_text = json::to_json(image.config);
    id = image.id = archive::sha256(image.config_text);
    std::vector<IncomingImage> images;
    images.push_back(std::move(image));
    commit(images, pins, nullptr);
  } catch (const Error&) {
    collect_layers();
    throw;
  }
  if (request.reference) report("tag", id, request.reference->familiar());
  return id;
}

}  // namespace berth::image
