#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/core/stream.h"
#include "oci/image.h"
#include "oci/reference.h"

namespace berth::image {

/// A manifest or an index as a registry sent it: not verified.
struct RemoteManifest {
  std::string media_type, text;
  std::string digest;  ///< as the registry claims; "" when it does not say
};

/// A repository of a registry, as pull and push need it; engine implements it over registry::Repository. Blocks; safe
/// from several threads.
class Remote {
 public:
  virtual ~Remote() = default;
  virtual RemoteManifest get_manifest(const std::string& tag_or_digest) = 0;
  /// Exactly the blob's size in bytes, or read() throws; not verified.
  virtual std::unique_ptr<ByteSource> open_blob(const oci::Descriptor& blob) = 0;
  /// What open_blob() gave was wrong. True when another try gets it from somebody else.
  virtual bool distrust_blob(const std::string& digest) = 0;

  virtual bool has_manifest(const std::string& digest) = 0;
  /// Another repository, to fetch from, as long as this lives; with this one's credentials if it is of the same
  /// registry.
  virtual Remote& source(const oci::Reference& repository) = 0;

  virtual bool has_blob(const std::string& digest) = 0;
  /// From another repository of the same registry; false when the registry would not.
  virtual bool mount_blob(const std::string& digest, const std::string& from) = 0;
  /// A blob on its way up; it is there when finish() has returned.
  class Upload : public ByteSink {
   public:
    /// After a failure: how many of the bytes the registry has. Those behind them are to be written next. Throws when
    /// it has none any more.
    virtual std::uint64_t resume() = 0;
    virtual void finish(const std::string& digest) = 0;
  };
  virtual std::unique_ptr<Upload> begin_blob() = 0;
  virtual void put_manifest(const std::string& tag_or_digest, const std::string& media_type,
                            const std::string& text) = 0;

  /// Whatever waits for the registry throws cancelled, now and later.
  virtual void interrupt() = 0;
  virtual bool is_interrupted() { return false; }  ///< from any thread
};

}  // namespace berth::image
