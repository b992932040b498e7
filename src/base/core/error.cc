#include "base/core/error.h"

#include <cerrno>
#include <cstring>

namespace berth {

namespace {

/// The C library's words as Go spells them, and so Docker: "no space left on device".
std::string reason_of(int error_number) {
  std::string reason = std::strerror(error_number);  // NOLINT(concurrency-mt-unsafe): glibc's is safe
  const bool capital = reason.size() > 1 && reason[0] >= 'A' && reason[0] <= 'Z' && reason[1] >= 'a';
  if (capital) reason[0] = static_cast<char>(reason[0] - 'A' + 'a');
  return reason;
}

}  // namespace

void Error::during(std::string_view context) {
  text_.insert(0, ": ");
  text_.insert(0, context);
}

Error errno_error(std::string_view call, std::string_view object) { return errno_error(errno, call, object); }

Error errno_error(int error_number, std::string_view call, std::string_view object) {
  std::string text{call};
  if (!object.empty()) text.append(" ").append(object);
  text.append(": ").append(reason_of(error_number));
  return {ErrorKind::system, std::move(text), error_number};
}

}  // namespace berth
