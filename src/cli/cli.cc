#include "cli/cli.h"

#include <unistd.h>

#include <cstdlib>

#include "base/core/text.h"
#include "base/sys/file.h"

namespace berth::cli {

namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): one thread
  return value == nullptr ? "" : value;
}

std::string choose_host(const GlobalOptions& options) {
  if (options.hosts.size() > 1) throw invalid("Specify only one -H");
  if (!options.hosts.empty()) return options.hosts.front();
  for (const char* name : {"BERTH_HOST", "DOCKER_HOST"}) {
    if (std::string host = environment(name); !host.empty()) return host;
  }
  return "unix:///run/berth.sock";
}

TlsOptions choose_tls(const GlobalOptions& options) {
  TlsOptions tls;
  tls.verify = options.tls_verify || !environment("DOCKER_TLS_VERIFY").empty();
  tls.enabled = options.tls || tls.verify;
  if (!tls.enabled) return tls;
  std::string folder = environment("DOCKER_CERT_PATH");
  if (folder.empty())
    folder = options.config_folder.empty() ? cat(environment("HOME"), "/.docker") : options.config_folder;
  const auto choose = [&](const std::string& given, std::string_view name) {
    if (!given.empty()) return given;
    std::string path = cat(folder, "/", name);
    return sys::exists(path) ? path : "";
  };
  tls.ca_file = choose(options.tls_ca, "ca.pem");
  tls.certificate_file = choose(options.tls_certificate, "cert.pem");
  tls.key_file = choose(options.tls_key, "key.pem");
  return tls;
}

}  // namespace

Api& Cli::api() {
  if (!api_) api_ = std::make_unique<Api>(parse_endpoint(choose_host(options_), choose_tls(options_)));
  return *api_;
}

void Cli::out(std::string_view text) { sys::write_all(sys::FdRef::borrow(STDOUT_FILENO), text); }
void Cli::err(std::string_view text) { sys::write_all(sys::FdRef::borrow(STDERR_FILENO), text); }
void Cli::out_line(std::string_view text) { out(cat(text, '\n')); }
void Cli::err_line(std::string_view text) { err(cat(text, '\n')); }

bool Cli::confirm(std::string_view question) {
  out(cat(question, " [y/N] "));
  char answer[256];
  const ssize_t got = sys::retry_on_eintr([&] { return ::read(STDIN_FILENO, answer, sizeof answer); });
  if (got <= 0) return false;
  return iequals(trim(std::string_view{answer, static_cast<std::size_t>(got)}), "y");
}

int for_each_argument(Cli& /*cli*/, const Arguments& arguments, const std::function<void(const std::string&)>& each) {
  int code = 0;
  for (const std::string& argument : arguments) {
    try {
      each(argument);
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::unavailable) throw;  // no daemon: the others would say the same
      Cli::err_line(error.text());
      code = 1;
    }
  }
  return code;
}

}  // namespace berth::cli
