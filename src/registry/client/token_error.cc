#include "registry/client/token_error.h"

#include <algorithm>

#include "base/core/text.h"
#include "base/json/json.h"

namespace berth::registry {

namespace {

struct RegistryError {
  std::string code, message;
  static void describe(auto& self, auto&& field) {
    field("code", self.code);
    field("message", self.message);
  }
};

struct ErrorBody {
  std::vector<RegistryError> errors;
  std::string details;  ///< an older form, of Docker Hub's token server
  static void describe(auto& self, auto&& field) {
    field("errors", self.errors);
    field("details", self.details);
  }
};

std::string words_of(const RegistryError& error) {
  std::string code = to_lower(error.code.empty() ? "UNKNOWN" : error.code);
  std::ranges::replace(code, '_', ' ');
  if (!error.message.empty()) return cat(code, ": ", error.message);
  return cat(code, ": ", code == "unauthorized" ? "authentication required" : "unknown error");
}

}  // namespace

Error error_of(const HttpAnswer& answer) {
  if (answer.status < 400 || answer.status >= 500) {
    return system_error(cat("received unexpected HTTP status: ", answer.status_text));
  }
  ErrorBody body;
  std::string parse_failure = "no error details found in HTTP response body";
  try {
    body = json::from_json<ErrorBody>(answer.body);
  } catch (const Error& error) {
    parse_failure = error.text();
  }
  if (!body.details.empty()) {
    const std::string code = answer.status == 401   ? "UNAUTHORIZED"
                             : answer.status == 429 ? "TOOMANYREQUESTS"
                                                    : "UNKNOWN";
    body.errors = {{.code = code, .message = body.details}};
  }
  if (body.errors.empty() && answer.status == 401) body.errors = {{.code = "UNAUTHORIZED", .message = {}}};
  if (body.errors.empty()) {
    return system_error(cat("error parsing HTTP ", answer.status, " response body: ", parse_failure, ": ",
                            quoted(std::string_view{answer.body}.substr(0, 1024))));
  }
  const bool unauthorized =
      std::ranges::any_of(body.errors, [](const RegistryError& error) { return error.code == "UNAUTHORIZED"; });
  std::string text = body.errors.size() == 1 ? words_of(body.errors[0]) : "errors:\n";
  if (body.errors.size() > 1) {
    for (const RegistryError& error : body.errors) text += cat(words_of(error), "\n");
  }
  return {unauthorized ? ErrorKind::unauthorized : ErrorKind::system, std::move(text)};
}

}  // namespace berth::registry
