#pragma once

#include "base/core/error.h"
#include "base/http_client/reply.h"
#include "registry/client/connections.h"

namespace berth::registry {

/// The registry's own words, as an answer to whoever asked Berth: not_found for 404, unauthorized, system.
Error failure_of(http_client::Reply& reply);

/// Whether another try may be answered better: 408, 429, most of 5xx (not a full disk).
bool is_passing(int status);

/// 301, 302, 303, 307, 308.
bool is_redirect(int status);

/// Where an answer points to; relative to where it came from.
Url location_of(const Exchange& exchange, const http_client::Reply& reply);

}  // namespace berth::registry
