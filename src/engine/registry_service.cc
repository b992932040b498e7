#include "engine/registry_service.h"

#include "registry/client/login.h"

namespace berth::engine {

namespace {
constexpr unsigned kPoolThreads = 4;  // started when needed
}

RegistryService::RegistryService(EventLoop& loop, std::vector<std::string> insecure)
    : pool_(loop, kPoolThreads), insecure_(std::move(insecure)) {}

Task<AuthResult> RegistryService::authenticate(AuthConfig credentials) {
  registry::Policy policy{.insecure = insecure_, .certificate_folders = {"/etc/berth/certs.d", "/etc/docker/certs.d"}};
  const std::string token = co_await pool_.run([policy = std::move(policy), given = std::move(credentials)] {
    return registry::login(
        policy, given.server_address,
        {.username = given.username, .password = given.password, .identity_token = given.identity_token});
  });
  co_return AuthResult{.identity_token = token, .status = "Login Succeeded"};
}

}  // namespace berth::engine
