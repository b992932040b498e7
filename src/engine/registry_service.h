#pragma once

#include <vector>

#include "base/async/async.h"
#include "engine/registry.h"

namespace berth::engine {

class RegistryService final : public Registry {
 public:
  RegistryService(EventLoop& loop, std::vector<std::string> insecure);

  Task<AuthResult> authenticate(AuthConfig credentials) override;
  void set_insecure(std::vector<std::string> insecure) { insecure_ = std::move(insecure); }

 private:
  async::BlockingPool pool_;  // its own: registries may keep one waiting, and containers must not wait behind that
  std::vector<std::string> insecure_;
};

}  // namespace berth::engine
