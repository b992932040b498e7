#pragma once

#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/server/request.h"
#include "base/async/async.h"
#include "base/http/handler.h"

namespace berth::api {

/// Between a client and code on a pool thread that reads a body or writes an answer. Where the client speaks without
/// TLS, that thread works on the client's socket itself; else the loop is in between.
class Transfer {
 public:
  enum class Flow {
    upload,    ///< work reads the body, and may write progress, which goes by the loop
    download,  ///< one thread of work's writes the answer
    progress,  ///< work's threads write short lines, by the loop
  };

  Transfer(EventLoop& loop, const Request& request, http::ResponseStream& out);
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;
  ~Transfer();

  /// `headers` and `content_type` are the answer's. Once, before the rest.
  Task<void> open(Flow flow, std::string content_type, std::vector<http::Header> headers = {});
  /// What work reads; nullptr unless Flow::upload.
  const std::shared_ptr<StoppableSource>& upload() const { return upload_; }
  const std::shared_ptr<StoppableSink>& download() const { return download_; }

  /// The answer's head leaves with its first bytes, so that a failure before them can still have a status of its own.
  /// Ends when work has ended and all it wrote is sent; throws what work threw. A client that goes away makes work's
  /// next read or write throw.
  Task<void> run(Task<void> work);

 private:
  Task<void> run_both(Task<void> work);
  Task<std::exception_ptr> run_work(Task<void> work);
  Task<void> pump_body();
  Task<std::exception_ptr> work_and_body(Task<void> work);
  Task<std::exception_ptr> pump_answer();
  Task<std::exception_ptr> run_alone(Task<void> work);
  Task<void> abandon_when_cancelled();
  void take_back();

  EventLoop& loop_;
  http::BodyReader& body_;
  http::ResponseStream& out_;
  Flow flow_ = Flow::upload;
  std::string content_type_;
  std::vector<http::Header> headers_;
  std::shared_ptr<StoppableSource> upload_;
  std::shared_ptr<StoppableSink> download_;
  std::shared_ptr<async::UploadPipe> upload_pipe_;      ///< upload_, where the loop pumps
  std::shared_ptr<async::DownloadPipe> download_pipe_;  ///< download_, where the loop pumps
};

/// Docker's error line within a progress stream that has begun.
std::string progress_error(std::string_view message);

}  // namespace berth::api
