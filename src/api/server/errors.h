#pragma once

#include "base/core/error.h"
#include "base/http/message.h"

namespace berth::api {

/// The one place that turns kinds into HTTP statuses.
int status_of(ErrorKind kind);

/// {"message": …} with the kind's status; without a body for not_modified.
http::Response error_response(const Error& error);

}  // namespace berth::api
