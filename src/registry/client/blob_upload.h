#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "registry/client/neighbour.h"
#include "registry/client/repository.h"

namespace berth::registry {

/// A blob in one PATCH, whose length nobody knows beforehand, and the PUT that names it.
/// Spec: distribution-spec v1.1, "Pushing a blob in chunks", which a stream of one chunk is.
class Repository::BlobUpload final : public Repository::Upload {
 public:
  BlobUpload(Repository& owner, Url place) : owner_(owner), place_(std::move(place)) {}

  void write(std::string_view bytes) override;
  std::uint64_t resume() override;
  void finish(const std::string& digest) override;

 private:
  void start();
  bool start_file();
  Url finish_file();
  Url finish_body();
  [[noreturn]] void refused(http_client::Reply& reply);
  void name(const Url& last, const std::string& digest);

  Repository& owner_;
  Url place_;
  std::string authorization_;  ///< what the PATCH was sent with
  std::uint64_t there_ = 0;    ///< of an upload that was cut
  std::unique_ptr<Exchange> exchange_;
  std::unique_ptr<neighbour::Upload> file_;  ///< in place of the exchange: the registry's own file
  std::chrono::milliseconds pause_{200};
};

}  // namespace berth::registry
