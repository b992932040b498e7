#pragma once

#include "base/core/error.h"
#include "registry/client/http.h"

namespace berth::registry {

/// What an answer of 400 or more means, in the words of Docker's client: "unauthorized: incorrect username or
/// password". Kind unauthorized when that is the code, else system. Spec: distribution-spec "Error Codes".
Error error_of(const HttpAnswer& answer);

}  // namespace berth::registry
