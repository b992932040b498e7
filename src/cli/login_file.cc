#include "cli/login_file.h"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <cstdlib>
#include <filesystem>

#include "base/core/base64.h"
#include "base/core/text.h"
#include "base/http_client/escape.h"
#include "base/json/json.h"
#include "base/sys/file.h"
#include "cli/json_view.h"
#include "oci/reference.h"

namespace berth::cli {

namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): one thread
  return value == nullptr ? "" : value;
}

std::string base64url(std::string_view bytes) {
  std::string text = http_client::base64(bytes);
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  return text;
}

std::string key_of(const std::string& domain) { return domain == "docker.io" ? std::string{kHubLogin} : domain; }

}  // namespace

std::string host_of_login(std::string_view server) {
  for (const std::string_view scheme : {"https://", "http://"}) {
    if (server.starts_with(scheme)) server.remove_prefix(scheme.size());
  }
  return std::string{server.substr(0, server.find('/'))};
}

std::string config_folder(const GlobalOptions& options) {
  std::string folder = options.config_folder.empty() ? environment("DOCKER_CONFIG") : options.config_folder;
  return folder.empty() ? cat(environment("HOME"), "/.docker") : folder;
}

LoginFile::LoginFile(const GlobalOptions& options) {
  const std::string folder = config_folder(options);
  std::error_code code;  // behind a symlink, so that the link stays one
  path_ = std::filesystem::weakly_canonical(cat(folder, "/config.json"), code).string();
  if (code) path_ = cat(folder, "/config.json");
  const std::optional<std::string> text = sys::read_file_if_exists(path_);
  if (text && !trim(*text).empty()) content_ = berth::json::parse(*text);
  if (!content_.is_object()) throw invalid(cat("WARNING: Error loading config file: ", path_, ": not a JSON object"));
}

boost::json::object& LoginFile::logins() {
  Json& logins = content_.as_object()["auths"];
  if (!logins.is_object()) logins = boost::json::object{};
  return logins.as_object();
}

void LoginFile::save() const {
  sys::ensure_dir(std::filesystem::path{path_}.parent_path().string(), 0700);
  sys::write_file_durably(path_, cat(boost::json::serialize(content_), "\n"), 0600);
}

/// One registry's own helper goes before the one for all.
std::optional<CredentialHelper> LoginFile::helper_for(const std::string& server) const {
  const boost::json::object& helpers = object_at(content_, "credHelpers");
  const auto own = helpers.find(server);
  std::string name = own != helpers.end() && own->value().is_string() ? std::string{own->value().as_string()} : "";
  if (name.empty()) name = text_at(content_, "credsStore");
  if (name.empty()) return std::nullopt;
  return CredentialHelper{name};
}

bool LoginFile::store(const std::string& server, const Login& login) {
  const auto helper = helper_for(server);
  const bool by_token = !login.identity_token.empty();
  boost::json::object entry;  // with a helper the file says no more than that there is a login
  if (helper) {
    helper->store(server, login);
  } else {
    entry["auth"] = http_client::base64(cat(login.username, ":", by_token ? "" : login.password));
    if (by_token) entry["identitytoken"] = login.identity_token;
  }
  boost::json::object& kept = logins();
  if (const auto old = kept.find(server); old != kept.end() && old->value() == Json(entry)) return false;
  kept[server] = std::move(entry);
  save();
  return !helper && !by_token;
}

void LoginFile::erase(const std::string& server) {
  if (const auto helper = helper_for(server)) helper->erase(server);
  if (logins().erase(server) > 0) save();
}

std::optional<Login> LoginFile::find(const std::string& domain, const std::string& key) const {
  if (const auto helper = helper_for(key)) {
    try {
      return helper->get(key);
    } catch (const Error&) {
      return std::nullopt;  // as docker does: the registry will say that it wants a login
    }
  }
  std::optional<Login> found;
  for (const auto& [server, login] : object_at(content_, "auths")) {
    if (server != key && host_of_login(server) != domain) continue;
    const std::string pair = decode_any_base64(text_at(login, "auth")).value_or("");
    const std::size_t colon = pair.find(':');
    if (colon == std::string::npos) continue;
    found = Login{.username = pair.substr(0, colon),
                  .password = pair.substr(colon + 1),
                  .identity_token = text_at(login, "identitytoken")};
    if (server == key) break;
  }
  return found;
}

std::optional<Login> LoginFile::login_of(const std::string& domain) const { return find(domain, key_of(domain)); }

std::string LoginFile::registry_auth(const std::string& domain) const {
  boost::json::object known;
  if (const std::optional<Login> login = login_of(domain)) {
    known["username"] = login->username;
    known["password"] = login->password;
    known["serveraddress"] = key_of(domain);
    if (!login->identity_token.empty()) known["identitytoken"] = login->identity_token;
  }
  return base64url(boost::json::serialize(known));
}

std::string registry_of(const std::string& image) {
  const auto reference = oci::try_parse_reference(image);
  return reference ? reference->domain : "";
}

}  // namespace berth::cli
