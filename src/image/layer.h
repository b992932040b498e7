#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/core/stream.h"
#include "graph/driver.h"
#include "image/kept_blob.h"

namespace berth::image {

/// A layer that was unpacked and has no name yet.
struct MadeLayer {
  std::unique_ptr<graph::LayerWriter> staged;
  std::string diff_id;         ///< digest of the plain tar
  std::string blob_digest;     ///< digest of what came, compressed or not
  std::uint64_t size = 0;      ///< bytes of its files
  std::uint64_t tar_size = 0;  ///< bytes of the plain tar
};

/// Unpacks a layer's tar (plain, gzip, zstd) while it is read: nothing is stored besides the files and a recipe to make
/// the same tar again; and, if there is a `keeping`, the compressed form when it can't be made again from the tar, that
/// is when GzipSink has not made it. Throws invalid for a broken archive, system; nothing is left behind then.
MadeLayer make_layer(graph::Driver& driver, ByteSource& tar, BlobKeeping* keeping);

/// Writes the plain tar of a layer. Throws system when what comes out does not have the digest `diff_id`.
void write_layer(const std::string& layer_folder, const std::string& diff_id, ByteSink& target);

/// What is wrong with a layer on the disk: its files' data, by the digest of its tar; then names, kinds, modes, owners
/// and other attributes, by a tree without data that is made from that tar. nullopt when nothing is. The tar goes to
/// `seen`.
std::optional<std::string> find_damage(graph::Driver& driver, const std::string& chain_id, const std::string& diff_id,
                                       ByteSink& seen);

}  // namespace berth::image
