#include "base/core/error.h"

#include <cerrno>
#include <cstring>

namespace berth {

void Error::during(std::string_view context) {
  text_.insert(0, ": ");
  text_.insert(0, context);
}

Error errno_error(std::string_view call, std::string_view object) { return errno_error(errno, call, object); }

Error errno_error(int error_number, std::string_view call, std::string_view object) {
  std::string text{call};
  if (!object.empty()) text.append(" ").append(object);
  text.append(": ").append(std::strerror(error_number));  // NOLINT(concurrency-mt-unsafe): glibc's is safe
  return {ErrorKind::system, std::move(text), error_number};
}

}  // namespace berth
