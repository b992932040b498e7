#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/core/stream.h"
#include "registry/client/connections.h"
#include "registry/client/trust.h"

namespace berth::registry {

/// A file from anywhere in the web, read as it comes, for `docker import http://…`. As with Go's client, redirects may
/// lead to any server, and only certificates that the system trusts count.
class Download final : public ByteSource {
 public:
  /// An address without a scheme means http. Throws invalid for what is none.
  Download(const Policy& policy, std::string_view address);

  /// Waits for the answer. Throws not_found, unauthorized, forbidden, invalid or system with dockerd's words: "failed
  /// to GET http://x/y with status 404 Not Found: …".
  void open();
  /// Throws unavailable where the line is cut.
  std::size_t read(char* buffer, std::size_t size) override;
  std::uint64_t size() const;                              ///< in bytes, as the server says; 0: it doesn't
  const std::string& address() const { return address_; }  ///< for people: whole, but without a password
  /// From any thread: what waits for the server, now or later, throws cancelled.
  void interrupt() { connections_.interrupt(); }

 private:
  std::unique_ptr<Exchange> follow();

  Connections connections_;
  Call call_;
  std::string address_;
  std::unique_ptr<Exchange> exchange_;
};

}  // namespace berth::registry
