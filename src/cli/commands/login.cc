#include <termios.h>
#include <unistd.h>

#include <boost/json/serialize.hpp>

#include "base/core/text.h"
#include "base/json/json.h"
#include "base/sys/file.h"
#include "cli/commands/commands.h"
#include "cli/json_view.h"
#include "cli/login_file.h"

namespace berth::cli {

namespace {

/// The terminal shows nothing of what is typed, until the end of the scope.
class EchoOff {
 public:
  EchoOff() {
    if (::tcgetattr(STDIN_FILENO, &before_) != 0) throw errno_error("tcgetattr", "standard input");
    termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ::tcsetattr(STDIN_FILENO, TCSANOW, &quiet);
  }
  ~EchoOff() { ::tcsetattr(STDIN_FILENO, TCSANOW, &before_); }
  EchoOff(const EchoOff&) = delete;
  EchoOff& operator=(const EchoOff&) = delete;

 private:
  termios before_{};
};

std::string read_line() {
  std::string line;
  for (char c = 0; sys::retry_on_eintr([&] { return ::read(STDIN_FILENO, &c, 1); }) == 1 && c != '\n';) line += c;
  if (line.ends_with('\r')) line.pop_back();
  return line;
}

std::string read_all_input() {
  std::string text;
  char piece[4096];
  while (const ssize_t got = sys::retry_on_eintr([&] { return ::read(STDIN_FILENO, piece, sizeof piece); })) {
    if (got < 0) throw errno_error("read", "standard input");
    text.append(piece, static_cast<std::size_t>(got));
    if (text.size() > 1 << 20) throw invalid("the password on standard input is too long");
  }
  while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
  return text;
}

struct LoginOptions {
  std::string username, password;
  bool password_stdin = false;
};

void ask_for_rest(LoginOptions& options) {
  if (!options.password.empty()) {
    Cli::err_line("WARNING! Using --password via the CLI is insecure. Use --password-stdin.");
    if (options.password_stdin) throw invalid("--password and --password-stdin are mutually exclusive");
  }
  if (options.password_stdin) {
    if (options.username.empty()) throw invalid("Must provide --username with --password-stdin");
    options.password = read_all_input();
  }
  if (!options.username.empty() && !options.password.empty()) return;
  if (::isatty(STDIN_FILENO) == 0) throw invalid("Error: Cannot perform an interactive login from a non TTY device");
  if (options.username.empty()) {
    Cli::out("Username: ");
    options.username = trim(read_line());
    if (options.username.empty()) throw invalid("Error: Non-null Username Required");
  }
  if (options.password.empty()) {
    Cli::out("Password: ");
    const EchoOff quiet;
    options.password = read_line();
    Cli::out("\n");
    if (options.password.empty()) throw invalid("Error: Password Required");
  }
}

std::string server_of(const Arguments& arguments) {
  if (arguments.empty() || arguments[0] == "docker.io" || arguments[0] == "index.docker.io")
    return std::string{kHubLogin};
  return arguments[0];
}

int login(Cli& cli, LoginOptions options, const Arguments& arguments) {
  LoginFile config{cli.options()};
  const std::string server = server_of(arguments);
  ask_for_rest(options);
  const boost::json::object body{
      {"username", options.username}, {"password", options.password}, {"serveraddress", server}};
  const Json answer = cli.api().post("/auth", boost::json::serialize(body));

  const Login login{
      .username = options.username, .password = options.password, .identity_token = text_at(answer, "IdentityToken")};
  bool in_keychain = false;
  try {
    in_keychain = config.store(server, login);
  } catch (Error& error) {
    error.during("Error saving credentials");
    throw;
  }
  if (!in_keychain) Cli::err_line(cat("WARNING! Your password will be stored unencrypted in ", config.path(), "."));
  Cli::out_line(text_at(answer, "Status"));
  return 0;
}

int logout(Cli& cli, const Arguments& arguments) {
  LoginFile config{cli.options()};
  const std::string server = server_of(arguments);
  if (!config.knows(server)) {
    Cli::out_line(cat("Not logged in to ", server));
    return 0;
  }
  Cli::out_line(cat("Removing login credentials for ", server));
  config.erase(server);
  return 0;
}

Action prepare_login(FlagSet& flags) {
  auto options = std::make_shared<LoginOptions>();
  flags.text(options->password, "password", 'p', "Password");
  flags.boolean(options->password_stdin, "password-stdin", 0, "Take the password from standard input");
  flags.text(options->username, "username", 'u', "Username");
  return [options](Cli& cli, const Arguments& arguments) { return login(cli, *options, arguments); };
}

Action prepare_logout(FlagSet&) {
  return [](Cli& cli, const Arguments& arguments) { return logout(cli, arguments); };
}

constexpr auto kParse = AfterPositional::keep_parsing;
constexpr Command kCommands[] = {
    {"login", "[OPTIONS] [SERVER]", "Log in to a registry", 0, 1, kParse, prepare_login},
    {"logout", "[SERVER]", "Forget a registry's credentials", 0, 1, kParse, prepare_logout},
};

}  // namespace

std::span<const Command> login_commands() { return kCommands; }

}  // namespace berth::cli
