#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>

#include "base/async/async.h"
#include "base/http/message.h"
#include "registry/server/blob_files.h"

namespace berth::registry::server {

/// Uploads under way. Those of an earlier process are taken up when somebody asks for them. On the loop; what touches
/// the disk runs on the pool. One request at a time works on an upload; one whose client is silent gives way to the
/// next one that comes for it, and after a minute to nobody. Of those that wait for their next request only some keep
/// their descriptors; the others are read again.
class Uploads {
 public:
  struct Patience {
    std::chrono::milliseconds rival{3'000};     ///< with a silent client, when another request wants its upload
    std::chrono::milliseconds silence{60'000};  ///< when nobody does
  };
  Uploads(EventLoop& loop, const BlobFiles& files, async::BlockingPool& pool, Patience patience)
      : files_(files), pool_(pool), patience_(patience), let_go_(loop), tasks_(loop) {}
  Uploads(EventLoop& loop, const BlobFiles& files, async::BlockingPool& pool) : Uploads(loop, files, pool, {}) {}

  using Clock = std::chrono::steady_clock;

  /// An upload in the hands of one request.
  class Hold {
   public:
    Hold(Uploads& owner, std::string id, std::shared_ptr<BlobFiles::Upload> upload);
    ~Hold();
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;

    const std::shared_ptr<BlobFiles::Upload>& upload() const { return upload_; }
    void end() { ended_ = true; }  ///< it is no upload any more

   private:
    friend class Uploads;
    class Reading;
    Uploads& owner_;
    std::string id_;
    std::shared_ptr<BlobFiles::Upload> upload_;
    bool ended_ = false;
    http::BodyReader* body_ = nullptr;  ///< while it is read
    Clock::time_point heard_;           ///< when something of it came
  };

  Task<std::unique_ptr<Hold>> start(std::string repository, archive::DigestAlgorithm algorithm);
  /// Throws Refusal: BLOB_UPLOAD_UNKNOWN, or that another request is at it.
  Task<std::unique_ptr<Hold>> take(std::string id, std::string repository);
  /// How many bytes it has, also in somebody's hands. Throws Refusal likewise.
  Task<std::uint64_t> find_size(std::string id, std::string repository);
  /// Everything of the body goes behind what is there; what has come when the client leaves stays. When
  /// the disk takes no more, or it has more than `most_bytes` (0: any number), the upload is dropped, and its space
  /// comes back.
  Task<void> append(Hold& hold, http::BodyReader& body, std::int64_t most_bytes);
  Task<std::string> seal(Hold& hold, archive::DigestAlgorithm algorithm);  ///< its digest; dropped when that fails
  Task<void> drop(Hold& hold);
  /// Drops those that nobody has touched for so long, this process's and others'.
  Task<void> expire(std::int64_t seconds);
  Task<void> close() { return tasks_.close(); }
  std::uint64_t received_bytes() const { return received_bytes_; }  ///< in bodies

 private:
  const BlobFiles& files_;
  async::BlockingPool& pool_;
  const Patience patience_;
  std::uint64_t received_bytes_ = 0;
  struct Open {
    std::shared_ptr<BlobFiles::Upload> upload;  ///< null while it is read from the disk, or removed there
    std::uint64_t turn = 0;                     ///< whose is lower waits for longer
    Hold* holder = nullptr;                     ///< in whose hands it is
    bool rests() const { return upload != nullptr && holder == nullptr; }
  };
  void rest(const std::string& id, std::shared_ptr<BlobFiles::Upload> upload);
  Task<void> wait_for_rival(std::string id);
  Task<void> watch();

  std::map<std::string, Open> open_;  ///< by ID
  std::uint64_t turn_ = 0;
  async::Signal let_go_;  ///< somebody's upload
  async::Nursery tasks_;
  int reading_ = 0;  ///< bodies
  bool watching_ = false;
};

}  // namespace berth::registry::server
