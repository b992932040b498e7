#include "cli/credential_helper.h"

#include <unistd.h>

#include <boost/json/serialize.hpp>
#include <cstdlib>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/json/json.h"
#include "base/sys/file.h"
#include "base/sys/process.h"
#include "base/sys/socket.h"
#include "cli/json_view.h"

namespace berth::cli {

namespace {

constexpr std::string_view kNotFound = "credentials not found in native keychain";
constexpr std::size_t kMostOutput = 1 << 20;
constexpr std::string_view kTokenUser = "<token>";  // then the secret is an identity token

std::string find_program(const std::string& name) {
  const char* path = std::getenv("PATH");  // NOLINT(concurrency-mt-unsafe): one thread
  for (const std::string& folder : split(path == nullptr ? "" : path, ':')) {
    std::string candidate = cat(folder.empty() ? "." : folder, "/", name);
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return {};
}

}  // namespace

std::string CredentialHelper::run(const std::string& action, const std::string& input, const std::string& doing) const {
  const auto failure = [&](std::string_view reason, std::string_view output) {
    return system_error(cat("error ", doing, " credentials - err: ", reason, ", out: `", output, "`"));
  };
  const std::string program = find_program(program_);
  if (program.empty()) throw failure(cat("exec: ", quoted(program_), ": executable file not found in $PATH"), "");
  // It finds its keychain through the environment, and asks on the terminal if it must.
  const sys::UniqueFd given = sys::memory_file("credentials", input);
  auto [output_read, output_write] = sys::make_pipe();
  sys::Child child = sys::spawn({.program = program,
                                 .arguments = {program, action},
                                 .environment = sys::own_environment(),
                                 .descriptors = {{given.get(), 0}, {output_write.get(), 1}, {STDERR_FILENO, 2}}});
  output_write.reset();
  std::string output(kMostOutput, '\0');
  output.resize(sys::read_full(output_read, output.data(), output.size()));
  output_read.reset();  // one that writes more ends
  output = trim(output);
  if (const int code = child.wait().code; code != 0) throw failure(cat("exit status ", code), output);
  return output;
}

std::optional<Login> CredentialHelper::get(const std::string& server) const {
  Json found;
  try {
    found = berth::json::parse(run("get", server, "getting"));
  } catch (const Error& error) {
    if (error.text().find(kNotFound) != std::string::npos) return std::nullopt;
    throw;
  }
  const std::string user = text_at(found, "Username"), secret = text_at(found, "Secret");
  if (user == kTokenUser) return Login{.username = {}, .password = {}, .identity_token = secret};
  return Login{.username = user, .password = secret, .identity_token = {}};
}

void CredentialHelper::store(const std::string& server, const Login& login) const {
  const bool by_token = !login.identity_token.empty();
  const boost::json::object entry{{"ServerURL", server},
                                  {"Username", by_token ? std::string{kTokenUser} : login.username},
                                  {"Secret", by_token ? login.identity_token : login.password}};
  run("store", boost::json::serialize(entry), "storing");
}

void CredentialHelper::erase(const std::string& server) const {
  try {
    run("erase", server, "erasing");
  } catch (const Error& error) {
    if (error.text().find(kNotFound) == std::string::npos) throw;
  }
}

}  // namespace berth::cli
