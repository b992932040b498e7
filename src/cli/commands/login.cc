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
  if (text.ends_with('\n')) text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
  return text;
}

struct LoginOptions {
  std::string username, password;
  bool password_stdin = false;
};

void check_flags(const FlagSet& flags, const LoginOptions& options) {
  if (flags.changed("password-stdin")) {
    if (flags.changed("password"))
      throw invalid("conflicting options: cannot specify both --password and --password-stdin");
    if (!flags.changed("username")) throw invalid("the --password-stdin option requires --username to be set");
  }
  if (flags.changed("username") && options.username.empty()) throw invalid("username is empty");
  if (flags.changed("password") && options.password.empty()) throw invalid("password is empty");
}

/// `known` is who logged in before, whom an empty line stands for.
void ask_for_rest(LoginOptions& options, const std::string& known) {
  if (!options.username.empty() && !options.password.empty()) return;
  if (::isatty(STDIN_FILENO) == 0) throw invalid("Error: Cannot perform an interactive login from a non TTY device");
  if (options.username.empty()) {
    Cli::out(known.empty() ? "Username: " : cat("Username (", known, "): "));
    options.username = trim(read_line());
    if (options.username.empty()) options.username = known;
    if (options.username.empty()) throw invalid("Error: Non-null Username Required");
  }
  if (options.password.empty()) {
    const EchoOff quiet;
    Cli::out("Password: ");
    options.password = trim(read_line());
    Cli::out("\n");
    if (options.password.empty()) throw invalid("Error: Password Required");
  }
}

/// The name under which a registry's login is kept: "host:port", whatever else the user writes around it.
std::string server_of(const Arguments& arguments) {
  if (arguments.empty() || arguments[0] == "docker.io" || arguments[0] == "index.docker.io" ||
      arguments[0] == kHubLogin) {
    return std::string{kHubLogin};
  }
  return host_of_login(arguments[0]);
}

/// Asks the daemon whether the registry knows somebody, and keeps the login then. Returns the daemon's words.
std::string log_in(Cli& cli, LoginFile& config, const std::string& server, Login login) {
  const boost::json::object body{{"username", login.username}, {"password", login.password}, {"serveraddress", server}};
  const Json answer = cli.api().post("/auth", boost::json::serialize(body));
  login.identity_token = text_at(answer, "IdentityToken");
  bool in_the_open = false;
  try {
    in_the_open = config.store(server, login);
  } catch (Error& error) {
    error.during("Error saving credentials");
    throw;
  }
  if (in_the_open) {
    Cli::err_line(cat("\nWARNING! Your credentials are stored unencrypted in '", config.path(),
                      "'.\nConfigure a credential helper to remove this warning. See\n"
                      "https://docs.docker.com/go/credential-store/\n"));
  }
  return text_at(answer, "Status");
}

/// With what is stored; nullopt when that opens nothing any more, which has been said then.
std::optional<std::string> log_in_again(Cli& cli, LoginFile& config, const std::string& server, const Login& stored) {
  Cli::err(
      cat("Authenticating with existing credentials... [Username: ", stored.username,
          "]\n\n Info -> To login with a different account, run 'docker logout' followed by 'docker login'\n\n\n"));
  try {
    return log_in(cli, config, server, stored);
  } catch (const Error& error) {
    Cli::err_line(error.kind() == ErrorKind::unauthorized ? "Stored credentials invalid or expired"
                                                          : cat("Login did not succeed, error: ", error.text()));
    return std::nullopt;
  }
}

int login(Cli& cli, LoginOptions options, const Arguments& arguments) {
  if (!options.password.empty()) {
    Cli::err_line("WARNING! Using --password via the CLI is insecure. Use --password-stdin.");
  }
  if (options.password_stdin) options.password = read_all_input();
  LoginFile config{cli.options()};
  const std::string server = server_of(arguments);
  Login stored;
  if (options.username.empty() && options.password.empty()) {
    stored = config.login_of(server == kHubLogin ? "docker.io" : server).value_or(Login{});
    if (!stored.username.empty() && !stored.password.empty()) {
      if (const std::optional<std::string> status = log_in_again(cli, config, server, stored)) {
        Cli::out_line(*status);
        return 0;
      }
    }
  }
  ask_for_rest(options, stored.username);
  Cli::out_line(
      log_in(cli, config, server, {.username = options.username, .password = options.password, .identity_token = {}}));
  return 0;
}

int logout(Cli& cli, const Arguments& arguments) {
  LoginFile config{cli.options()};
  const std::string server = server_of(arguments);
  Cli::out_line(cat("Removing login credentials for ", server));
  // Older clients kept a login under the address that the user had written.
  std::vector<std::string> names{server};
  if (server != kHubLogin) names = {arguments[0], server, cat("http://", server), cat("https://", server)};
  std::string failures;
  bool one_is_gone = false;
  for (const std::string& name : names) {
    try {
      config.erase(name);
      one_is_gone = true;
    } catch (const Error& error) {
      failures += cat(name, ": ", error.text(), "\n");
    }
  }
  if (!one_is_gone) Cli::err(cat("WARNING: could not erase credentials:\n", failures));
  return 0;
}

Action prepare_login(FlagSet& flags) {
  auto options = std::make_shared<LoginOptions>();
  flags.text(options->password, "password", 'p', "Password");
  flags.boolean(options->password_stdin, "password-stdin", 0, "Take the password from standard input");
  flags.text(options->username, "username", 'u', "Username");
  return [options, &flags](Cli& cli, const Arguments& arguments) {
    check_flags(flags, *options);
    return login(cli, *options, arguments);
  };
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
