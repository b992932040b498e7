#include "logsink/messages.h"

#include "base/core/error.h"
#include "base/core/text.h"
#include "logsink/fluentd.h"
#include "logsink/gelf.h"
#include "logsink/journal.h"
#include "logsink/syslog.h"

namespace berth::logsink {

std::unique_ptr<Encoder> make_encoder(const Config& config) {
  if (config.driver == "syslog") return std::make_unique<SyslogEncoder>(config);
  if (config.driver == "fluentd") return std::make_unique<FluentdEncoder>(config);
  if (config.driver == "gelf") return std::make_unique<GelfEncoder>(config);
  if (config.driver == "journald") return std::make_unique<JournalEncoder>(config);
  throw invalid(cat("unknown log sink ", quoted(config.driver)));
}

}  // namespace berth::logsink
