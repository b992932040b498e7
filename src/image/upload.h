#pragma once

#include <functional>
#include <string>

#include "image/kept_blob.h"
#include "image/progress.h"
#include "image/remote.h"

namespace berth::image {

/// Sends a blob through as many tries as it takes; what the registry has of one that was cut is not sent again.
/// `produce` writes the whole blob, each time the same bytes, and returns its digest; `retrying` is called before
/// another try.
void send_blob(Remote& remote, const std::function<std::string(ByteSink&)>& produce,
               const std::function<void()>& retrying);

/// Sends a blob that was kept. False when it is damaged on the disk: from the layer's files it can still be made, if
/// not with the same digest.
bool send_kept_blob(Remote& remote, const KeptBlob& blob, Progress& progress, const std::string& id);

}  // namespace berth::image
