#pragma once

#include <memory>
#include <string>
#include <vector>

#include "api/server/request.h"
#include "base/async/async.h"
#include "base/http/handler.h"

namespace berth::api {

/// Between a client and code on a pool thread that reads a body (`upload`, or nullptr for none) and writes an answer
/// (`download`).
struct Pipes {
  std::shared_ptr<async::UploadPipe> upload;
  std::shared_ptr<async::DownloadPipe> download;
  std::string content_type;
  std::vector<http::Header> headers{};  ///< of the answer
};

/// Runs `work` while the body goes into the upload pipe and the download pipe's content to the client. The answer's
/// head leaves with its first bytes, so that a failure before them can still have a status of its own. Ends when work
/// has ended and all it wrote is sent; throws what work threw. A client that goes away makes work's next read or write
/// throw.
Task<void> transfer(Task<void> work, Pipes pipes, http::BodyReader& body, http::ResponseStream& out);

/// Docker's error line within a progress stream that has begun.
std::string progress_error(std::string_view message);

}  // namespace berth::api
