#pragma once

#include <functional>

#include "base/core/stream.h"
#include "image/archive_content.h"
#include "image/catalog.h"
#include "image/layer.h"
#include "image/progress.h"

namespace berth::image {

/// Keeps a known layer from being removed while a load counts on it; false when it is gone.
using PinLayer = std::function<bool(const LayerRecord&)>;

/// Reads `archive` (plain, gzip or zstd) to its end; layers are unpacked into staging folders as they come. With
/// `keep_blobs` those that an OCI layout names by digest are kept compressed, too.
/// Throws invalid for a broken archive, with Docker's texts.
ArchiveContent read_archive(ByteSource& archive, graph::Driver& driver, const Catalog& catalog, const PinLayer& pin,
                            bool keep_blobs, Progress& progress);

}  // namespace berth::image
