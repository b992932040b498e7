#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/core/stream.h"
#include "base/core/text.h"
#include "registry/client/connections.h"
#include "registry/client/login.h"
#include "registry/client/trust.h"

namespace berth::registry {

enum class Access { pull, push };

/// How a registry that fails is dealt with: a mirror is asked once, since there is somebody else to ask.
enum class Patience { long_, short_ };

/// A manifest or an index as the registry sent it: not verified.
struct ManifestDocument {
  std::string media_type, text;
  std::string digest;  ///< as the registry claims; "" when it does not say
};

/// One repository of one registry. Finds out whether TLS is spoken, authorises itself, follows redirects to other hosts
/// without its credentials, and tries again with growing pauses what a busy or absent server could not do (429, 5xx,
/// cut lines; after silence once). Safe from several threads. All calls block.
/// Spec: opencontainers/distribution-spec v1.1, "Pull", "Push".
class Repository {
 public:
  /// `domain` "docker.io" is Docker Hub; a mirror has an address, "http://host:5000"; `path` is "library/busybox".
  /// Nothing is asked before the first call.
  Repository(Policy policy, std::string domain, std::string path, Credentials credentials, Access access,
             Patience patience = Patience::long_);
  ~Repository();

  /// Whether there is a registry, and with TLS. Throws unavailable when nobody answers; what is answered is no matter.
  bool ping();
  /// By tag or digest. Throws not_found with Docker's words ("manifest unknown: …"), unauthorized, unavailable, system.
  ManifestDocument get_manifest(const std::string& reference);
  /// The digest of what a tag stands for; nullopt when there is no such tag.
  std::optional<std::string> find_manifest(const std::string& reference);

  /// The bytes of a blob from `start` on, not verified. A cut line is taken up again where it broke (Range); all up to
  /// `size` come, or read() throws. A long one whose line is slower than its reader comes over several lines; one of a
  /// registry on this machine is read from its file.
  std::unique_ptr<ByteSource> open_blob(const std::string& digest, std::uint64_t size, std::uint64_t start = 0);
  /// Likewise, from any server.
  std::unique_ptr<ByteSource> open_address(const std::string& url, std::uint64_t size);

  bool has_blob(const std::string& digest);
  /// Takes a blob over from another repository of the same registry; false when the registry would not.
  bool mount_blob(const std::string& digest, const std::string& from);

  /// A blob on its way up. Dropped unless finish() has returned.
  class Upload : public ByteSink {
   public:
    /// After a failure: how many bytes the registry has; what follows them is to be written next. Throws when it knows
    /// nothing of the upload.
    virtual std::uint64_t resume() = 0;
    virtual void finish(const std::string& digest) = 0;
  };
  std::unique_ptr<Upload> begin_blob();
  /// Returns the digest under which the registry keeps it ("" when it does not say).
  std::string put_manifest(const std::string& reference, const std::string& media_type, const std::string& text);

  std::vector<std::string> list_tags();
  /// The indexes, one a page, of what refers to a manifest; of a registry that has no such lists, the one under the tag
  /// that stands for it. Spec: distribution-spec v1.1, "Listing Referrers", "Referrers Tag Schema".
  std::vector<std::string> list_referrers(const std::string& digest);

  void interrupt() { connections_.interrupt(); }

 private:
  friend class BlobLine;
  class BlobUpload;
  enum class Tries { several, one };

  Url base();  ///< "https://host/v2/", found out on the first call
  Url url_of(std::string_view rest) { return at(base(), cat(path_, "/", rest)); }
  static Url at(Url base, std::string_view rest);
  http_client::TlsOptions tls_for(const Url& url) const;
  Url find_base();
  /// The answer, whatever its status, after authorisation and redirects. With `text`, also the body of one with status
  /// 200: a line that is cut within it is another try's business. `failed` gets the words of the first try that was in
  /// vain.
  std::unique_ptr<Exchange> ask(Call call, Tries tries = Tries::several, std::string* text = nullptr,
                                std::string* failed = nullptr);
  std::unique_ptr<Exchange> ask_once(Call call);
  std::unique_ptr<Exchange> follow(Call call);
  void add_authorization(Call& call);
  /// Where a registry on this machine hands out files; nullopt for others.
  std::optional<std::string> neighbour();
  void look_for_neighbour(http_client::Reply& reply);
  Call with_authorization(Call call) {
    add_authorization(call);
    return call;
  }
  std::vector<std::string> list_pages(Url url);  ///< all pages of a list, as they came
  /// After an answer 401 to a request with the header `refused` (or ""): false when there is none that is better.
  bool authorize(Exchange& answer, const std::string& refused);
  bool authorize(const std::vector<std::string>& challenges, const std::string& refused);
  std::string scope() const;

  const Policy policy_;
  std::string authority_;
  const std::string path_;
  const Credentials credentials_;
  const Access access_;
  const int most_tries_;
  Connections connections_;
  std::mutex mutex_;
  std::optional<Url> base_;
  std::string authorization_;  ///< value of the header; "" until the registry has asked for one
  std::string mounted_from_;   ///< a repository whose blobs are wanted, too
  std::optional<std::string> neighbour_;
};

}  // namespace berth::registry
